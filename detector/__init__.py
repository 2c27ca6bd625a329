"""Detection service: photograph in; plates, vehicles and their crops out."""
