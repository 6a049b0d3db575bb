package pace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// teach lets a call run that uses some tokens.
func teach(t testing.TB, f *Fleet, tg *llm.Target, c *llm.Call, used llm.Usage) {
	t.Helper()
	l, r, _ := f.TryStart(tg, limit.Try{Need: f.Estimate(tg, c), Key: c.Key})
	if r != Started {
		t.Fatalf("TryStart = %v", r)
	}
	l.Done(Outcome{Usage: used, Used: true})
}

func chat(key string, size, maxTokens int64) *llm.Call {
	return &llm.Call{Op: llm.OpChat, Key: key, InputTokens: size, MaxTokens: maxTokens, Choices: 1}
}

// within fails unless got is within a share of want.
func within(t testing.TB, what string, got int64, want, share float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > share*want {
		t.Errorf("%s: estimate %d, want %.0f within %.0f%%", what, got, want, share*100)
	}
}

// lognormal draws lengths of answers or prompts with a mean and a coefficient of variation of about 0.8, which is that of chats.
func lognormal(rnd *rand.Rand, mean float64) int64 {
	const sigma = 0.7
	return max(int64(mean*math.Exp(sigma*rnd.NormFloat64()-sigma*sigma/2)), 1)
}

func TestEstimateLearns(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, ratio := range []float64{0.4, 1, 1.7, 4} {
		f := New(Limits{}, Breaker{})
		tg := at("p", "m")
		run := func(ratio float64, calls int) {
			for range calls {
				size := lognormal(rnd, 800)
				noise := 1 + 0.1*rnd.NormFloat64()
				teach(t, f, tg, chat("k", size, 0), llm.Usage{Input: max(int64(float64(size)*ratio*noise), 1), Output: 100})
			}
		}
		run(ratio, 50)
		n := f.Estimate(tg, chat("k", 1000, 0))
		within(t, fmt.Sprintf("input at ratio %g", ratio), n.Input, 1000*ratio, 0.1)
		within(t, "output", n.Output, 100, 0.02)
		run(ratio*1.8, 50)
		n = f.Estimate(tg, chat("k", 1000, 0))
		within(t, fmt.Sprintf("input after a change from ratio %g", ratio), n.Input, 1800*ratio, 0.1)
	}
}

// The mean of answers of varying length is known within what fifty samples can tell, and follows a change.
func TestEstimateOutput(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	var before, after float64
	const rounds = 200
	for range rounds {
		f := New(Limits{}, Breaker{})
		tg := at("p", "m")
		for range 50 {
			teach(t, f, tg, chat("k", 100, 0), llm.Usage{Input: 100, Output: lognormal(rnd, 500)})
		}
		before += float64(f.Estimate(tg, chat("k", 100, 0)).Output) / rounds
		for range 150 {
			teach(t, f, tg, chat("k", 100, 0), llm.Usage{Input: 100, Output: lognormal(rnd, 90)})
		}
		after += float64(f.Estimate(tg, chat("k", 100, 0)).Output) / rounds
	}
	within(t, "mean estimate of 500", int64(before), 500, 0.03)
	within(t, "mean estimate after a change to 90", int64(after), 90, 0.25)
}

// Keys with other habits do not spoil each other's estimates; a new key begins with what the model's calls take, and a new model with what
// all calls take.
func TestEstimateFallsBack(t *testing.T) {
	t.Parallel()
	f := New(Limits{}, Breaker{})
	tg, other := at("p", "m"), at("p", "other")
	unknown := f.Estimate(tg, chat("a", 100, 0))
	if unknown.Input != 100 || unknown.Output != 2*priorOutput || unknown.MaxOutput != 0 {
		t.Errorf("with nothing known: %+v, want input 100, output twice the prior", unknown)
	}
	for range 40 {
		teach(t, f, tg, chat("a", 100, 0), llm.Usage{Input: 200, Output: 50})
		teach(t, f, tg, chat("b", 100, 0), llm.Usage{Input: 100, Output: 1000})
	}
	within(t, "input of a", f.Estimate(tg, chat("a", 100, 0)).Input, 200, 0.05)
	within(t, "output of a", f.Estimate(tg, chat("a", 100, 0)).Output, 50, 0.2)
	within(t, "input of b", f.Estimate(tg, chat("b", 100, 0)).Input, 100, 0.05)
	within(t, "output of b", f.Estimate(tg, chat("b", 100, 0)).Output, 1000, 0.05)
	for _, c := range []struct {
		name string
		tg   *llm.Target
		key  string
	}{{"new key", tg, "c"}, {"no key", tg, ""}, {"new model", other, "a"}} {
		n := f.Estimate(c.tg, chat(c.key, 100, 0))
		within(t, "output, "+c.name, n.Output, 525, 0.1)
		within(t, "input, "+c.name, n.Input, 150, 0.1)
	}
	if n := f.Estimate(tg, chat("b", 100, 64)); n.Output != 64 || n.MaxOutput != 64 {
		t.Errorf("with max_tokens 64: %+v", n)
	}
	if n := f.Estimate(tg, &llm.Call{Op: llm.OpChat, Key: "a", InputTokens: 100, MaxTokens: 500, Choices: 3}); n.MaxOutput != 1500 || n.Output < 130 || n.Output > 200 {
		t.Errorf("three answers of some 50 tokens: %+v", n)
	}
}

// One absurd figure, be it a provider's mistake or an attack by a client, moves the estimate of input little, and only for a while.
func TestEstimateBearsOutliers(t *testing.T) {
	t.Parallel()
	f := New(Limits{}, Breaker{})
	tg := at("p", "m")
	for range 30 {
		teach(t, f, tg, chat("k", 100, 0), llm.Usage{Input: 110, Output: 10})
	}
	teach(t, f, tg, chat("k", 2_000_000, 0), llm.Usage{Input: 1, Output: 10})
	within(t, "after a prompt that cost nothing", f.Estimate(tg, chat("k", 100, 0)).Input, 110, 0.25)
	teach(t, f, tg, chat("k", 10, 0), llm.Usage{Input: 1 << 50, Output: 10})
	within(t, "after a prompt that cost too much", f.Estimate(tg, chat("k", 100, 0)).Input, 110, 0.25)
	for range 30 {
		teach(t, f, tg, chat("k", 100, 0), llm.Usage{Input: 110, Output: 10})
	}
	teach(t, f, tg, chat("k", 100, 0), llm.Usage{Input: 110, Output: 1 << 60})
	if n := f.Estimate(tg, chat("k", 100, 0)); n.Output > 300 {
		t.Errorf("after one absurd answer: output %d", n.Output)
	}
	within(t, "later", f.Estimate(tg, chat("k", 100, 0)).Input, 110, 0.05)
}

// What says nothing teaches nothing.
func TestEstimateIgnores(t *testing.T) {
	t.Parallel()
	tg := at("p", "m")
	c := chat("k", 100, 0)
	used := llm.Usage{Input: 1000, Output: 5}
	estimated := used
	estimated.Estimated = true
	for name, o := range map[string]Outcome{
		"failed":            {Kind: llm.KindServerError, Usage: used, Used: true},
		"canceled":          {Kind: llm.KindCanceled, Usage: used, Used: true},
		"counted by Sluice": {Usage: estimated, Used: true},
		"not known":         {Usage: used},
	} {
		f := New(Limits{}, Breaker{})
		l, _, _ := f.TryStart(tg, limit.Try{Need: f.Estimate(tg, c), Key: c.Key})
		l.Done(o)
		if n := f.Estimate(tg, c); n.Input != 100 || n.Output != 2*priorOutput {
			t.Errorf("a call that %s has taught %+v", name, n)
		}
	}
}

func TestEstimateOfOperations(t *testing.T) {
	t.Parallel()
	f := New(Limits{}, Breaker{})
	tg := at("p", "m")
	for op := llm.OpChat; op <= llm.OpRaw; op++ {
		n := f.Estimate(tg, &llm.Call{Op: op, InputTokens: 10, MaxTokens: 20, Choices: 1})
		output := n.Output > 0
		if want := op == llm.OpChat || op == llm.OpCompletion; output != want {
			t.Errorf("%v: %+v, output wanted: %v", op, n, want)
		}
	}
	// Embeddings of a model with the name of a chat's do not teach it that its answers are empty.
	for range 20 {
		teach(t, f, tg, &llm.Call{Op: llm.OpEmbedding, InputTokens: 10, Choices: 1}, llm.Usage{Input: 10})
	}
	if n := f.Estimate(tg, chat("", 10, 0)); n.Output != 2*priorOutput {
		t.Errorf("chat after embeddings: %+v", n)
	}
	for range 20 {
		teach(t, f, tg, &llm.Call{Op: llm.OpImage, InputTokens: 10, Choices: 2}, llm.Usage{Input: 10, Output: 2000})
	}
	if n := f.Estimate(tg, &llm.Call{Op: llm.OpImage, InputTokens: 10, Choices: 1}); n.Output != 1000 {
		t.Errorf("images that were counted: %+v, want output 1000", n)
	}
}

func TestEstimateBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := New(Limits{}, Breaker{})
		huge := rapid.OneOf(rapid.Int64Range(0, 5000), rapid.Int64Range(0, math.MaxInt64))
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			tg := at("p", rapid.StringMatching(`[a-c]`).Draw(rt, "model"))
			c := &llm.Call{
				Op: llm.Op(rapid.IntRange(0, int(llm.OpRaw)).Draw(rt, "op")), Key: rapid.StringMatching(`[xyz]?`).Draw(rt, "key"),
				InputTokens: huge.Draw(rt, "size"), MaxTokens: huge.Draw(rt, "max"), Choices: rapid.IntRange(0, 1<<40).Draw(rt, "n"),
			}
			n := f.Estimate(tg, c)
			if n.Input < 0 || n.Output < 0 || n.MaxOutput < 0 || n.MaxOutput > 0 && n.Output > n.MaxOutput {
				rt.Fatalf("estimate of %+v is %+v", c, n)
			}
			if max(n.Input, n.Output, n.MaxOutput) > estimateMost {
				rt.Fatalf("estimate of %+v is %+v, of which sums overflow", c, n)
			}
			if c.InputTokens > 0 && n.Input < 1 {
				rt.Fatalf("estimate of %+v has no input", c)
			}
			teach(t, f, tg, c, llm.Usage{Input: huge.Draw(rt, "input"), Output: huge.Draw(rt, "output")})
		}
	})
}

// However many keys and models there are, the table keeps its size, and those that are in use are known.
func TestEstimateManyKeys(t *testing.T) {
	t.Parallel()
	f := New(Limits{}, Breaker{})
	tg := at("p", "m")
	for i := range 50_000 {
		teach(t, f, tg, chat(fmt.Sprint("k", i), 100, 0), llm.Usage{Input: 130, Output: 40})
		teach(t, f, tg, chat("busy", 100, 0), llm.Usage{Input: 260, Output: 80})
	}
	within(t, "input of the busy key", f.Estimate(tg, chat("busy", 100, 0)).Input, 260, 0.05)
	within(t, "output of the busy key", f.Estimate(tg, chat("busy", 100, 0)).Output, 80, 0.05)
	within(t, "input of a key long ago", f.Estimate(tg, chat("k0", 100, 0)).Input, 195, 0.1)
}

func TestEstimateConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, Breaker{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				tg := at("p", fmt.Sprint("m", i%3))
				for j := range 500 {
					teach(t, f, tg, chat(fmt.Sprint("k", j%7), 100, 0), llm.Usage{Input: 200, Output: 60})
					time.Sleep(100 * time.Millisecond) // all at once again: a model that nobody has declared begins slowly
				}
			})
		}
		wg.Wait()
		n := f.Estimate(at("p", "m1"), chat("k1", 100, 0))
		within(t, "input", n.Input, 200, 0.05)
		within(t, "output", n.Output, 60, 0.05)
	})
}

func TestEstimateAllocs(t *testing.T) { // not parallel: allocations are counted for the process
	f := New(Limits{}, Breaker{})
	tg, c := at("p", "m"), chat("k", 100, 0)
	n := f.Estimate(tg, c)
	o := Outcome{Usage: llm.Usage{Input: 120, Output: 30}, Used: true}
	if a := testing.AllocsPerRun(1000, func() {
		n = f.Estimate(tg, c)
		f.estimates.learn(tg, c.Key, &n, &o)
	}); a != 0 && !raceEnabled {
		t.Errorf("%v allocations an estimate", a)
	}
}

func BenchmarkEstimate(b *testing.B) {
	f := New(Limits{}, Breaker{})
	tg, c := at("p", "m"), chat("k", 100, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Estimate(tg, c)
		}
	})
}
