"""Widgets that draw Lines: by the line API, since a screen of cells is redrawn many times a second."""
