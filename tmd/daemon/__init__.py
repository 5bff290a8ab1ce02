"""The shell around the core: performs its effects, feeds it what happened, answers the floor above."""
