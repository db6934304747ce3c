"""The same 19 calls with the same messages, each written as its library's users write them."""
