"""Long work without a page: generators that yield progress, each with a command line."""
