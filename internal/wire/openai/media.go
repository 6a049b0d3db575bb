package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// scanOther reads a whole answer that is neither chat nor embeddings: moderations, images, transcriptions and speech.
func scanOther(op llm.Op, body []byte) (wire.Answer, *llm.Error) {
	var a wire.Answer
	failed := false
	ok, err := wire.Walk(body, func(name string, at wire.Span) bool {
		lit := at.Of(body)
		switch name {
		case "error":
			failed = failed || string(lit) != "null"
		case "model":
			if lit[0] == '"' {
				a.Model = at
			}
		case "usage":
			a.Usage, a.HasUsage = MediaUsage(lit)
		case "data", "results", "text", "segments":
			a.Complete = a.Complete || string(lit) != "null"
		}
		return true
	})
	switch {
	case err != nil:
		return wire.Answer{}, llm.Errorf(llm.KindBadAnswer, "provider's answer is not valid JSON: %v", err)
	case !ok:
		return wire.Answer{}, llm.Errorf(llm.KindBadAnswer, "provider's answer is not a JSON object")
	case failed:
		return wire.Answer{}, streamError(body)
	}
	a.Complete = a.Complete || op == llm.OpTranscription || op == llm.OpSpeech // their forms are many
	return a, nil
}

// MediaUsage reads the usage of an image, of speech or of a transcription (PROVIDERS.md 1.7): tokens, of which those of sound are
// told apart. ok is false if there are none: what is counted in seconds has no tokens.
func MediaUsage(b []byte) (u llm.Usage, ok bool) {
	if len(b) == 0 || b[0] != '{' {
		return u, false
	}
	var total int64
	_, _ = wire.Walk(b, func(name string, at wire.Span) bool {
		lit := at.Of(b)
		switch name {
		case "input_tokens", "prompt_tokens":
			ok = tokenCount(lit, &u.Input) || ok
		case "output_tokens", "completion_tokens":
			ok = tokenCount(lit, &u.Output) || ok
		case "total_tokens":
			ok = tokenCount(lit, &total) || ok
		case "input_token_details", "input_tokens_details", "prompt_tokens_details":
			_, _ = wire.Walk(lit, func(name string, at wire.Span) bool {
				switch name {
				case "audio_tokens":
					tokenCount(at.Of(lit), &u.AudioInput)
				case "cached_tokens":
					tokenCount(at.Of(lit), &u.CachedInput)
				}
				return true
			})
		}
		return true
	})
	if u.Input == 0 && u.Output == 0 {
		u.Input = total
	}
	u.AudioInput, u.CachedInput = min(u.AudioInput, u.Input), min(u.CachedInput, u.Input)
	return u, ok
}

// tokenCount reads a number of tokens into v and reports whether there was one.
func tokenCount(lit []byte, v *int64) bool {
	if !isNumber(lit) {
		return false
	}
	n, ok := wire.Int(lit)
	if !ok || n < 0 || n > wire.MaxCount {
		return false
	}
	*v = n
	return true
}
