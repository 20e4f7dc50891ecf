"""Commands on Windows, each in a Job Object. Type-checked, never run on Windows."""
