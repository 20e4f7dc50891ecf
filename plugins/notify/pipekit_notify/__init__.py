"""Tells people what goes wrong, through the services that Apprise knows."""
