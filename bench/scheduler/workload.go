package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"sluice/internal/sim"
)

// ask is one call that callers make.
type ask struct {
	body    []byte
	charged float64 // tokens that a provider counts that charges input and max_tokens
	stream  bool
}

// sizes say how large calls are, in tokens that are charged.
type sizes struct {
	mean  float64
	sigma float64 // of the log-normal distribution
	least int
	most  int
}

// mixed are the sizes of the backlog: the mean is such that tokens, and not requests, are what is short.
func mixed() sizes { return sizes{mean: 3700, sigma: 0.8, least: 100, most: 24_000} }

// draw makes calls of mixed sizes: half of them streamed, half of them with max_tokens. The first sizes of the same seed are the same
// however many are drawn.
func (s sizes) draw(n int, seed uint64, model string) []ask {
	random := rand.New(rand.NewPCG(seed, 0x5ca1ab1e))
	all := make([]ask, n)
	for i := range all {
		size := s.mean * math.Exp(s.sigma*random.NormFloat64()-s.sigma*s.sigma/2)
		tokens := min(max(int(size), s.least), s.most)
		most := 0
		if random.IntN(2) == 0 {
			most = 64 + random.IntN(192)
		}
		all[i] = makeAsk(random, model, max(tokens-most, 20), most, i%2 == 0)
	}
	return all
}

// makeAsk makes a call whose prompt has so many tokens as the simulator counts them, give or take none.
func makeAsk(random *rand.Rand, model string, input, most int, stream bool) ask {
	const frame = 3 + 4 + 1 // of a prompt, a message, and its role: see docs/SIM.md
	text := prose(random, max(input-frame, 1))
	var b strings.Builder
	fmt.Fprintf(&b, `{"model":%q,"messages":[{"role":"user","content":%q}]`, model, text)
	if most > 0 {
		b.WriteString(`,"max_tokens":` + strconv.Itoa(most))
	}
	if stream {
		b.WriteString(`,"stream":true`)
	}
	b.WriteByte('}')
	return ask{body: []byte(b.String()), charged: float64(int(sim.CountTokens(text)) + frame - 1 + most), stream: stream}
}

// prose makes text of so many tokens: words of two to twelve letters as often as in English, and full stops.
func prose(random *rand.Rand, tokens int) string {
	const consonants, vowels = "bcdfghklmnprstvw", "aeiou"
	var b strings.Builder
	for i := range tokens {
		if i%13 == 12 {
			b.WriteByte('.')
			continue
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		letters := min(2+int(random.ExpFloat64()*2.6), 12)
		for k := range letters {
			if k%2 == 0 {
				b.WriteByte(consonants[random.IntN(len(consonants))])
			} else {
				b.WriteByte(vowels[random.IntN(len(vowels))])
			}
		}
	}
	return b.String()
}

// charges are the tokens of each call.
func charges(asks []ask) []float64 {
	all := make([]float64, len(asks))
	for i := range asks {
		all[i] = asks[i].charged
	}
	return all
}

// total is the sum.
func total(all []float64) (sum float64) {
	for _, n := range all {
		sum += n
	}
	return sum
}
