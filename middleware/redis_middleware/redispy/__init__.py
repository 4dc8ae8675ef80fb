"""The one place that knows redis-py's insides: nothing outside of this package imports them."""
