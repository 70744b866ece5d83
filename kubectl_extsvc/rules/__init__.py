"""Judgement and cures, in families by stage; one more rule is one more function."""
