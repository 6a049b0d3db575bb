package pace

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"

	"sluice/internal/llm"
)

// Estimates of what a call will use, learned from what calls like it have used.
//
//  1. There are three levels: all calls of an operation, those to a target, those of one key to a target. Each keeps two figures: tokens
//     of input for each token that the prompt's size suggests, and tokens of output of one answer.
//  2. A level with n calls is blended with the level above it, whose weight is k/(k+n^2): with few calls the level above decides, after
//     a dozen it has no say. Above all are the priors.
//  3. What is reserved of output is the mean, not a quantile. A quota is spent by sums: over many calls the spread of single answers
//     averages out, while a quantile above the mean would hold back the same surplus for each call under way (the 80th percentile of a
//     chat workload is 1.4 times its mean), and where a provider enforces seconds or fixed windows, what comes back at the end of a call
//     comes back too late to be used. An answer that is longer than its reservation is settled when it ends, and paid for by those
//     after it. TestReserveTheMean measures both.
//  4. An error of the mean itself does not average out. As long as little is known, the reserve is larger: twice the prior with
//     nothing known, and down to the mean as calls come in. So the first calls to an unknown model do not all start at once on a guess.
//  5. Figures follow changes: a mean over the last few dozen calls at most. One call cannot move them far: its ratio counts within a
//     factor of what is known, its size up to a multiple of what is usual.
const (
	estimateBlend  = 4.0  // k
	estimateInput  = 16.0 // calls that the ratio of input looks back over
	estimateOutput = 48.0 // calls that the mean of output looks back over

	ratioLeast, ratioMost = 0.1, 10.0 // bounds of the ratio of input
	ratioStep             = 3.0       // by which one call may differ from what is known, once that is worth something
	ratioSize             = 4.0       // times the usual size that one call counts for at most

	outputStep = 16.0    // times the mean that one answer counts for at most, once that is worth something, and if it is longer than
	outputFree = 4096.0  // this
	outputMost = 1 << 20 // tokens that an answer counts for at most: more is a mistake

	estimateMost = 1 << 40 // tokens: what an estimate can be at most, whatever a request says

	// priorOutput is the mean of an answer of which nothing is known: 211 tokens in the conversations of the Azure LLM inference trace
	// 2023, 343 in those of Mooncake's (FAST 2025).
	priorOutput = 300.0
)

// The table has a fixed size. An entry that nothing was learned for longest gives way to a new one of the same place.
const (
	estimateShards = 64
	estimateSlots  = 64 // of a shard
	estimateProbes = 8
)

type estimates struct {
	seed   maphash.Seed
	shards [estimateShards]estimateShard
}

type estimateShard struct {
	mu    sync.Mutex // held to change slots
	tick  uint64     // guarded by mu: number of changes
	slots [estimateSlots]experience
}

// experience is what is known of one level. It is read without a lock: the fields may then be of two moments, or even of two levels while one
// gives way to the other, which makes one estimate worse.
type experience struct {
	used uint64 // guarded by the shard's mu: tick of the last change

	tag    atomic.Uint64 // hash of the level's name; 0 if the slot is free
	input  atomic.Uint64 // pair: tokens used and tokens by size, means of the last calls
	output atomic.Uint64 // pair: mean of one answer, and calls that it is of
	inputs atomic.Uint64 // calls that input is of, at most estimateInput
}

func pair(a, b float64) uint64 {
	return uint64(math.Float32bits(float32(a)))<<32 | uint64(math.Float32bits(float32(b)))
}

func unpair(p uint64) (a, b float64) {
	return float64(math.Float32frombits(uint32(p >> 32))), float64(math.Float32frombits(uint32(p)))
}

func newEstimates() *estimates { return &estimates{seed: maphash.MakeSeed()} }

// levels returns the names of the levels of a call, the widest first. A call without a key has no level of its own.
func (e *estimates) levels(t *llm.Target, key string, op llm.Op) (tags [3]uint64, n int) {
	const odd = 0x9e3779b97f4a7c15
	tags[0] = (uint64(op) + 1) * odd
	tags[1] = (maphash.String(e.seed, t.Name) ^ tags[0]) | 1
	if key == "" {
		return tags, 2
	}
	tags[2] = (maphash.String(e.seed, key)*odd ^ tags[1]) | 1
	return tags, 3
}

// place returns the shard of a tag and the first of its slots to look at.
func (e *estimates) place(tag uint64) (s *estimateShard, first uint64) {
	return &e.shards[tag>>58], tag >> 32
}

// find returns what is known of a level; nil if nothing is.
func (e *estimates) find(tag uint64) *experience {
	s, first := e.place(tag)
	for i := range uint64(estimateProbes) {
		if x := &s.slots[(first+i)%estimateSlots]; x.tag.Load() == tag {
			return x
		}
	}
	return nil
}

// Estimate says what a call to a target is expected to take, from the size of its prompt, the most output that it allows and the answers
// that it asks for, and from what calls of the model and of the key have taken before. It takes no lock and does not allocate.
func (f *Fleet) Estimate(t *llm.Target, c *llm.Call) llm.Need {
	n := llm.Need{Size: c.InputTokens, Choices: int32(min(max(c.Choices, 1), math.MaxInt32)), Op: c.Op}
	ratio, output := f.estimates.expect(t, c.Key, c.Op)
	if n.Size > 0 {
		n.Input = max(int64(math.Round(min(float64(n.Size)*ratio, estimateMost))), 1)
	}
	if !generates(c.Op) {
		return n
	}
	n.Output = min(int64(math.Ceil(output))*int64(n.Choices), estimateMost)
	if c.MaxTokens > 0 {
		n.MaxOutput = times(c.MaxTokens, int64(n.Choices))
		n.Output = min(n.Output, n.MaxOutput)
	}
	return n
}

// times multiplies two positive numbers, up to estimateMost: what is more would make sums of amounts overflow.
func times(a, b int64) int64 {
	if a > estimateMost/b {
		return estimateMost
	}
	return a * b
}

// generates reports whether an operation has output that is counted in tokens.
func generates(op llm.Op) bool {
	switch op {
	case llm.OpEmbedding, llm.OpModeration, llm.OpRerank, llm.OpCountTokens:
		return false
	}
	return true
}

// prior is the mean output of an operation of which nothing is known.
func prior(op llm.Op) float64 {
	switch op {
	case llm.OpChat, llm.OpCompletion:
		return priorOutput
	}
	return 0 // of media, and of what is not understood: most have none that counts
}

// expect returns the ratio of input and the reserve for one answer.
func (e *estimates) expect(t *llm.Target, key string, op llm.Op) (ratio, output float64) {
	ratio, output = 1, prior(op)
	unsure := 1.0
	tags, n := e.levels(t, key, op)
	for _, tag := range tags[:n] {
		x := e.find(tag)
		if x == nil {
			continue
		}
		used, sized := unpair(x.input.Load())
		if w := above(float64(x.inputs.Load())); sized > 0 {
			ratio = w*ratio + (1-w)*used/sized
		}
		mean, calls := unpair(x.output.Load())
		w := above(calls)
		output = w*output + (1-w)*mean
		unsure *= w
	}
	return min(max(ratio, ratioLeast), ratioMost), output * (1 + unsure)
}

// Estimate is what is known of the length of calls.
type Estimate struct {
	InputRatio float64 // tokens of input for each that the size of a prompt suggests
	Output     float64 // tokens of one answer, on average
	Calls      int     // that the average is of; 0 if nothing is known
}

// look returns what is known of the chats of a target, by its name.
func (e *estimates) look(target string) Estimate {
	tags, _ := e.levels(&llm.Target{Name: target}, "", llm.OpChat)
	x := e.find(tags[1])
	if x == nil {
		return Estimate{}
	}
	used, sized := unpair(x.input.Load())
	mean, calls := unpair(x.output.Load())
	known := Estimate{InputRatio: 1, Output: mean, Calls: int(calls)}
	if sized > 0 {
		known.InputRatio = used / sized
	}
	return known
}

// above is the weight of the level above one with n calls.
func above(n float64) float64 { return estimateBlend / (estimateBlend + n*n) }

// learn takes in what a call has used. Failed calls, and usage that is itself an estimate, say nothing.
func (e *estimates) learn(t *llm.Target, key string, n *llm.Need, o *Outcome) {
	if o.Kind != llm.KindNone || !o.Used || o.Usage.Estimated || n.Choices == 0 {
		return
	}
	output := -1.0
	if generates(n.Op) {
		output = float64(o.Usage.Output) / float64(n.Choices)
	}
	tags, levels := e.levels(t, key, n.Op)
	for _, tag := range tags[:levels] {
		s, _ := e.place(tag)
		s.mu.Lock()
		x := e.take(s, tag)
		x.learnInput(float64(n.Size), float64(o.Usage.Input))
		x.learnOutput(output)
		s.mu.Unlock()
	}
}

// take returns the slot of a level, which takes that of another if need be. The caller holds the shard's mu.
func (e *estimates) take(s *estimateShard, tag uint64) *experience {
	s.tick++
	x := e.find(tag)
	if x == nil {
		_, first := e.place(tag)
		for i := range uint64(estimateProbes) {
			if y := &s.slots[(first+i)%estimateSlots]; x == nil || y.used < x.used {
				x = y
			}
		}
		x.input.Store(0)
		x.output.Store(0)
		x.inputs.Store(0)
		x.tag.Store(tag)
	}
	x.used = s.tick
	return x
}

// learnInput takes in the tokens of one prompt. The ratio is that of two means, so that long prompts count for more, as they do in a quota.
func (x *experience) learnInput(sized, used float64) {
	if sized <= 0 || used <= 0 {
		return
	}
	n := float64(x.inputs.Load())
	a, b := unpair(x.input.Load())
	ratio := used / sized
	if n >= 8 {
		known := a / b
		ratio = min(max(ratio, known/ratioStep), known*ratioStep)
		sized = min(sized, ratioSize*b)
	}
	ratio = min(max(ratio, ratioLeast), ratioMost)
	n = min(n+1, estimateInput)
	a += (ratio*sized - a) / n
	b += (sized - b) / n
	x.input.Store(pair(a, b))
	x.inputs.Store(uint64(n))
}

// learnOutput takes in the tokens of one answer; negative if there is none.
func (x *experience) learnOutput(tokens float64) {
	if tokens < 0 {
		return
	}
	mean, n := unpair(x.output.Load())
	tokens = min(tokens, outputMost)
	if n >= 8 {
		tokens = min(tokens, max(outputStep*mean, outputFree))
	}
	n = min(n+1, estimateOutput)
	x.output.Store(pair(mean+(tokens-mean)/n, n))
}
