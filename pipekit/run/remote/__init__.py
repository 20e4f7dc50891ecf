"""Tasks on other machines: submitted, watched through their folders, judged and published here."""
