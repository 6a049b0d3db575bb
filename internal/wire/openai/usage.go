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
			ok = sc.Count(&u.Input) || ok
		case "completion_tokens":
			ok = sc.Count(&u.Output) || ok
		case "total_tokens":
			ok = sc.Count(&total) || ok
		case "prompt_cache_hit_tokens", "cached_tokens":
			sc.Count(&u.CachedInput)
		case "prompt_tokens_details":
			readDetails(&sc, &u, &u.AudioInput)
		case "completion_tokens_details":
			readDetails(&sc, &u, &u.AudioOutput)
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
func readDetails(sc *wire.Scanner, u *llm.Usage, audio *int64) {
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
			sc.Count(&u.CachedInput)
		case "cache_write_tokens":
			sc.Count(&u.CacheWrite)
		case "reasoning_tokens":
			sc.Count(&u.Reasoning)
		case "audio_tokens":
			sc.Count(audio)
		default:
			sc.Value()
		}
	}
}
