"""Commands on Windows, each in a Job Object. Run under Wine, not yet on Windows itself."""
