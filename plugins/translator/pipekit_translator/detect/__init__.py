"""Proposes sources for raw files: `propose` is the entry for other parts of pipekit."""

from pipekit_translator.detect.proposal import Proposal as Proposal
from pipekit_translator.detect.proposal import Unread as Unread
from pipekit_translator.detect.propose import propose as propose
