"""The core: what a model said about a picture, decoded honestly.

Standard library, numpy and Pillow. Knows no web page, no torch and no provider;
`overlays` alone knows supervision and loads it on first use.
"""
