"""From files to blocks of whole lines: what counts of a file, and whether it kept still."""
