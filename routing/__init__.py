"""Who hears of an event, where and when."""
