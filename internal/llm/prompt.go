package llm

import "time"

// Prompt is what a client asks a model for, before a dialect puts it into words.
type Prompt struct {
	Op       Op
	Model    string    // as the server is asked for it
	Messages []Message // for OpEmbedding and OpCompletion: one, the input
	Tools    []Tool    // that the model may call; nil for none
	Schema   string    // JSON schema that the answer must follow; "" for free text
	Output   int64     // limit on output tokens; 0 for none
	Exact    bool      // ask for exactly Output tokens, of servers that know how (ignore_eos, min_tokens)
	Stream   bool
}

// Message is one message of a conversation.
type Message struct{ Role, Text string }

// Tool is a function that the model may call.
type Tool struct {
	Name, Description string
	Parameters        string // JSON schema of the arguments
}

// StreamReader follows one streamed answer. It is used by one goroutine.
type StreamReader interface {
	// Reset begins another answer.
	Reset()
	// Observe looks at one event's name and data. Both are valid during the call only. Nothing is allocated for an event
	// that is neither malformed nor an error.
	Observe(name, data []byte) Seen
	// End says what the stream amounts to, once it has ended. The error is nil only for a complete answer. Without usage
	// from the server, the usage has Estimated set, and its Output is an estimate by the size of the text.
	End() (Usage, *Error)
}

// Seen is what one event of a streamed answer brought.
type Seen uint8

// Bits of Seen. An event with none of them (a role, a ping, usage) brings no token.
const (
	SawText      Seen = 1 << iota // content, refusal, or tool call text
	SawReasoning                  // reasoning text
	SawEnd                        // the protocol's end of the stream: nothing that follows counts
	SawError                      // the answer has failed: nothing that follows counts
)

// RateLimits are the quotas that the headers of one answer tell of, for a minute unless the provider says otherwise. -1
// where a header is missing.
type RateLimits struct {
	Requests, RequestsLeft         int64
	Tokens, TokensLeft             int64
	InputTokens, InputTokensLeft   int64
	OutputTokens, OutputTokensLeft int64

	// When the quota is whole again, from the answer on; 0 where that is not said.
	RequestsReset, TokensReset, InputTokensReset, OutputTokensReset time.Duration

	// What the limit is for, where the header's name says so (a minute, a day); 0 where it does not.
	RequestsPer, TokensPer time.Duration
}

// NoRateLimits is RateLimits without any header.
func NoRateLimits() RateLimits {
	return RateLimits{Requests: -1, RequestsLeft: -1, Tokens: -1, TokensLeft: -1, InputTokens: -1, InputTokensLeft: -1, OutputTokens: -1, OutputTokensLeft: -1}
}
