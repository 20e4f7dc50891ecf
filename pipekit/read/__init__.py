"""Reading a project for people: how it is, its runs, events, output and files. Changes nothing."""
