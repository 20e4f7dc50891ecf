"""The nouns of pipekit: frozen records that the core and plugins exchange."""
