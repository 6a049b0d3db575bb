package pace

import "sluice/internal/llm"

// Estimate says what a call to a target is expected to take, from the size of its prompt (in tokens, estimated by size alone), the most
// output that it allows (0 if it does not say) and the number of answers that it asks for, and from what calls of the model and of the key
// have taken before.
func (f *Fleet) Estimate(t *llm.Target, key string, input, maxOutput int64, choices int) llm.Need {
	return llm.Need{Input: input, Output: maxOutput, MaxOutput: maxOutput}
}
