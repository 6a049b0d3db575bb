package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// readUsage reads a usage object that has been validated. ok is false if it has no token counts. Values that are no whole
// numbers, negative or beyond all reason count as not there.
//
// Where providers differ: cached input is in prompt_tokens_details (OpenAI), in prompt_cache_hit_tokens (DeepSeek) or
// in cached_tokens (Moonshot). Reasoning is a part of completion_tokens, except where total_tokens shows that it was
// added on top (xAI); it is then added to the output here.
func readUsage(b []byte) (u llm.Usage, ok bool) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return u, false
	}
	var total int64
	for {
		name, more := sc.Member()
		if !more {
			break
		}
		switch string(name) {
		case "prompt_tokens":
			ok = count(&sc, b, &u.Input) || ok
		case "completion_tokens":
			ok = count(&sc, b, &u.Output) || ok
		case "total_tokens":
			ok = count(&sc, b, &total) || ok
		case "prompt_cache_hit_tokens", "cached_tokens":
			count(&sc, b, &u.CachedInput)
		case "prompt_tokens_details":
			readDetails(&sc, b, &u, &u.AudioInput)
		case "completion_tokens_details":
			readDetails(&sc, b, &u, &u.AudioOutput)
		default:
			sc.Value()
		}
	}
	if u.Reasoning > 0 && total == u.Input+u.Output+u.Reasoning {
		u.Output += u.Reasoning
	}
	if u.Input == 0 && u.Output == 0 {
		u.Input = total // embeddings of some servers give nothing else
	}
	u.CachedInput = min(u.CachedInput, u.Input)
	u.CacheWrite = min(u.CacheWrite, u.Input)
	u.Reasoning = min(u.Reasoning, u.Output)
	u.AudioInput = min(u.AudioInput, u.Input)
	u.AudioOutput = min(u.AudioOutput, u.Output)
	return u, ok
}

// readDetails reads prompt_tokens_details or completion_tokens_details; of their names only that of audio is in both.
func readDetails(sc *wire.Scanner, b []byte, u *llm.Usage, audio *int64) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, more := sc.Member()
		if !more {
			return
		}
		switch string(name) {
		case "cached_tokens":
			count(sc, b, &u.CachedInput)
		case "cache_write_tokens":
			count(sc, b, &u.CacheWrite)
		case "reasoning_tokens":
			count(sc, b, &u.Reasoning)
		case "audio_tokens":
			count(sc, b, audio)
		default:
			sc.Value()
		}
	}
}

// maxCount is more tokens than any call has. A larger number is an error of the provider, and one row with it would make
// the sums over the ledger overflow.
const maxCount = 1 << 40

// count reads a number of tokens into v and reports whether there was one.
func count(sc *wire.Scanner, b []byte, v *int64) bool {
	at := sc.Value()
	if n, ok := wire.Int(at.Of(b)); ok && n >= 0 && n <= maxCount {
		*v = n
		return true
	}
	return false
}
