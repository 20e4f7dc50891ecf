"""The commands, one small module each; knows how to ask and to show, not how to do."""
