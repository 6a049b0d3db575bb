package gemini

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// readUsage reads a usageMetadata object that has been validated, and the tier that it tells of. ok is false if it has no
// token counts. Values that are no whole numbers, negative or beyond all reason count as not there.
//
// promptTokenCount includes what was cached; candidatesTokenCount does not include the thoughts; the results of Google's own
// tools are input that is counted apart (docs/PROVIDERS.md, 3.2).
func readUsage(b []byte) (u llm.Usage, tier string, ok bool) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return u, "", false
	}
	var tools, total int64
	for {
		name, more := sc.Member()
		if !more {
			break
		}
		switch {
		case sameField(name, "promptTokenCount"):
			ok = sc.Count(&u.Input) || ok
		case sameField(name, "candidatesTokenCount"):
			ok = sc.Count(&u.Output) || ok
		case sameField(name, "thoughtsTokenCount"):
			sc.Count(&u.Reasoning)
		case sameField(name, "toolUsePromptTokenCount"):
			sc.Count(&tools)
		case sameField(name, "cachedContentTokenCount"):
			sc.Count(&u.CachedInput)
		case sameField(name, "totalTokenCount"):
			ok = sc.Count(&total) || ok
		case sameField(name, "promptTokensDetails"):
			readModalities(&sc, b, &u.AudioInput)
		case sameField(name, "candidatesTokensDetails"):
			readModalities(&sc, b, &u.AudioOutput)
		case sameField(name, "trafficType"), sameField(name, "serviceTier"):
			tier = trafficTier(sc.Value().Of(b))
		default:
			sc.Value()
		}
	}
	u.Input += tools
	u.Output += u.Reasoning
	u.CachedInput = min(u.CachedInput, u.Input)
	u.AudioInput = min(u.AudioInput, u.Input)
	u.AudioOutput = min(u.AudioOutput, u.Output)
	return u, tier, ok
}

// readModalities reads the count of audio tokens out of a list by modality.
func readModalities(sc *wire.Scanner, b []byte, audio *int64) {
	if !sc.Array() {
		sc.Value()
		return
	}
	for sc.Element() {
		if !sc.Object() {
			sc.Value()
			continue
		}
		var n int64
		is := false
		for {
			name, ok := sc.Member()
			if !ok {
				break
			}
			switch {
			case sameField(name, "tokenCount"):
				sc.Count(&n)
			case string(name) == "modality":
				is = wire.EqualString(sc.Value().Of(b), "AUDIO")
			default:
				sc.Value()
			}
		}
		if is {
			*audio = n
		}
	}
}

// trafficTier returns the service tier, in OpenAI's words, that a trafficType or serviceTier in quotes stands for; "" for
// one that has no word there.
func trafficTier(lit []byte) string {
	for _, t := range traffic {
		if wire.EqualString(lit, t.traffic) || wire.EqualString(lit, t.tier) {
			return t.name
		}
	}
	return ""
}

// traffic are the tiers. The table is never written.
var traffic = [...]struct{ traffic, tier, name string }{
	{"ON_DEMAND", "standard", "default"},
	{"ON_DEMAND_FLEX", "flex", "flex"},
	{"ON_DEMAND_PRIORITY", "priority", "priority"},
	{"PROVISIONED_THROUGHPUT", "scale", "scale"},
}

// appendUsage appends a usageMetadata object.
func appendUsage(dst []byte, u *llm.Usage, tier string) []byte {
	number := func(name string, n int64) {
		dst = append(append(dst, name...), ':')
		dst = strconv.AppendInt(dst, n, 10)
	}
	number(`{"promptTokenCount"`, u.Input)
	number(`,"candidatesTokenCount"`, u.Output-u.Reasoning)
	number(`,"totalTokenCount"`, u.Total())
	if u.CachedInput > 0 {
		number(`,"cachedContentTokenCount"`, u.CachedInput)
	}
	if u.Reasoning > 0 {
		number(`,"thoughtsTokenCount"`, u.Reasoning)
	}
	dst = appendModalities(dst, "promptTokensDetails", u.Input, u.AudioInput)
	dst = appendModalities(dst, "candidatesTokensDetails", u.Output-u.Reasoning, u.AudioOutput)
	for _, t := range traffic {
		if t.name == tier {
			dst = append(dst, `,"trafficType":"`...)
			dst = append(append(dst, t.traffic...), '"')
		}
	}
	return append(dst, '}')
}

// appendModalities appends a list of tokens by modality, if there are tokens of audio.
func appendModalities(dst []byte, name string, all, audio int64) []byte {
	if audio <= 0 {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), `":[`...)
	if text := all - audio; text > 0 {
		dst = append(dst, `{"modality":"TEXT","tokenCount":`...)
		dst = append(strconv.AppendInt(dst, text, 10), '}', ',')
	}
	dst = append(dst, `{"modality":"AUDIO","tokenCount":`...)
	dst = strconv.AppendInt(dst, audio, 10)
	return append(dst, '}', ']')
}
