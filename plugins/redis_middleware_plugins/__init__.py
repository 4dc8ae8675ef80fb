"""The plugins that come with redis-middleware, found through entry points like anyone's."""
