package model

// Traits are what a model, or the server that runs it, cannot do or wants otherwise. The zero Traits are those of a model
// that takes everything its dialect has.
type Traits struct {
	NoSampling bool // rejects temperature, top_p, top_k
}

// TraitsOf returns the traits of a model at an account of a kind (the api of its configuration: "openai", "groq", ...).
func TraitsOf(api, name string) Traits { return Traits{} }
