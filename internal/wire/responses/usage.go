package responses

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// readUsage reads a usage object that has been validated. ok is false if it has no token counts. Values that are no whole numbers,
// negative or beyond all reason count as not there.
func readUsage(b []byte) (u llm.Usage, ok bool) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return u, false
	}
	for {
		name, more := sc.Member()
		if !more {
			break
		}
		switch string(name) {
		case "input_tokens":
			ok = sc.Count(&u.Input) || ok
		case "output_tokens":
			ok = sc.Count(&u.Output) || ok
		case "input_tokens_details", "output_tokens_details":
			readDetails(&sc, &u)
		default:
			sc.Value()
		}
	}
	u.CachedInput = min(u.CachedInput, u.Input)
	u.CacheWrite = min(u.CacheWrite, u.Input)
	u.AudioInput = min(u.AudioInput, u.Input)
	u.Reasoning = min(u.Reasoning, u.Output)
	return u, ok
}

// readDetails reads input_tokens_details or output_tokens_details; their names do not clash but for audio, which answers here do
// not have.
func readDetails(sc *wire.Scanner, u *llm.Usage) {
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
		default:
			sc.Value()
		}
	}
}
