package obs

// Attr is the name of a span attribute.
type Attr string
