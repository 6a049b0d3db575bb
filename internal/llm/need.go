package llm

// Need is what a call is expected to take of quotas, before it is sent. The scheduler reserves it, and settles what was really used.
type Need struct {
	Input     int64 // tokens of the prompt, estimated from its size
	Output    int64 // tokens of the answer, as they are expected
	MaxOutput int64 // most tokens that the answer can have, as the request says; 0 if it does not

	// What the estimate was made from, for learning by what the call has really used.
	Size    int64 // tokens of the prompt by its size alone; 0 if there is nothing to learn
	Choices int32 // answers asked for, at least 1
	Op      Op
}

// Tokens returns the tokens that are expected in all.
func (n Need) Tokens() int64 { return n.Input + n.Output }
