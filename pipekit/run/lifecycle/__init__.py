"""When files may go, and what is done with those that may."""
