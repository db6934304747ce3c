"""From a written model reference to a LangChain chat model, with its clients, prices and windows."""
