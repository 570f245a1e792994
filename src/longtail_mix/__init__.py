"""Saliency-guided mixing for long-tailed image classification."""
