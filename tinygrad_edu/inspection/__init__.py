"""Looking inside a network."""

from tinygrad_edu.inspection.summary import LayerRow, layers_of, stages_of, summary

__all__ = ["LayerRow", "layers_of", "stages_of", "summary"]
