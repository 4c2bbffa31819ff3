"""Recipes: studies, training runs and scaling studies as YAML, validated before any work starts."""
