"""Decides who hears of which alert, together with which others, and when. Pure: values in, values out."""
