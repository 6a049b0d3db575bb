package bedrock

import (
	"slices"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// membersBut returns the members of an object, in order, but for those named.
func membersBut(body []byte, but ...string) []llm.Member {
	var all []llm.Member
	var sc wire.Scanner
	sc.Reset(body)
	members(&sc, func(name []byte) {
		n := string(name)
		v := string(sc.Value().Of(body))
		if !slices.Contains(but, n) {
			all = append(all, llm.Member{Name: n, Value: v})
		}
	})
	return all
}
