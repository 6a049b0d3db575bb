package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/workload"
)

// Summarizer turns the records of one run into its figures. Its memory is bounded: at most 100 MB, at a million measured
// requests, of which it keeps each latency; less beyond. It is for one goroutine at a time.
//
// A request is measured if its phase is Sustain, which the schedule decided before the run. Counts, latencies, lengths and
// costs are of measured requests. Rates count what happened inside the measured window, whichever request it belongs to.
type Summarizer struct {
	slo workload.SLO

	sum  Summary // counts, as they come
	line timeline
	bins bins

	ttft, ttftSched, ttfo, firstEvent, tpot, ntpot, e2e, e2eSched sample

	input, output sample // tokens

	first, last    time.Duration // of measured requests: send and end
	good           int64         // measured requests within all limits
	visible        int64         // output tokens that came as events
	events         int64         // that brought them
	lengths        int64         // requests whose length was asked for
	missed         int64         // of those, how many are off
	priced         int64
	cost           int64 // nano-dollars
	limits         Limits
	requestLimitAt time.Duration // when the answer ended that brought it
	tokenLimitAt   time.Duration
	requestsInUse  float64
	tokensInUse    float64
	sent           bool // first and last are set
}

// NewSummarizer returns one for a run. Goodput is counted against slo.
func NewSummarizer(slo workload.SLO) *Summarizer {
	return &Summarizer{
		slo: slo, input: sample{whole: true}, output: sample{whole: true},
		limits: NoLimits(), requestLimitAt: None, tokenLimitAt: None, requestsInUse: -1, tokensInUse: -1,
		sum: Summary{Errors: map[string]int64{}, Statuses: map[string]int64{}},
	}
}

// Add takes one record, of any phase, in any order. It does not keep r.
func (s *Summarizer) Add(r *Record) {
	good := r.Meets(s.slo)
	if r.Dispatched != None {
		s.line.add(r, good)
	}
	if r.OK {
		s.bins.add(r)
	}
	if r.Phase != workload.Sustain {
		return
	}
	s.count(r)
	if good {
		s.good++
	}
	if r.OK {
		s.addLatencies(r)
		s.addTokens(r)
	}
	s.addLimits(r)
	s.cost += r.Cost
}

func (s *Summarizer) count(r *Record) {
	s.sum.Requests++
	switch {
	case r.OK:
		s.sum.OK++
	case r.Incomplete:
		s.sum.Incomplete++
	default:
		s.sum.Failed++
		kind := r.Error
		if kind == "" {
			kind = "unknown"
		}
		s.sum.Errors[kind]++
	}
	if !r.Incomplete {
		status := "none"
		if r.Status != 0 {
			status = strconv.Itoa(r.Status)
		}
		s.sum.Statuses[status]++
	}
	if r.Status == 429 {
		s.sum.RateLimited++
	}
	if r.Dispatched == None {
		return
	}
	if !s.sent || r.Dispatched < s.first {
		s.first = r.Dispatched
	}
	if !s.sent || r.Done > s.last {
		s.last = r.Done
	}
	s.sent = true
}

func (s *Summarizer) addLatencies(r *Record) {
	s.ttft.addTime(r.TTFT())
	s.ttftSched.addTime(r.TTFTSched())
	s.ttfo.addTime(r.TTFO())
	s.firstEvent.addTime(since(r.FirstEvent, r.Dispatched))
	s.tpot.addTime(r.TPOT())
	s.ntpot.addTime(r.NTPOT())
	s.e2e.addTime(r.E2E())
	s.e2eSched.addTime(r.E2ESched())
}

// lengthTolerance is the share by which the length of an answer may be off what was asked for.
const lengthTolerance = 0.10

func (s *Summarizer) addTokens(r *Record) {
	s.input.add(float64(r.Input))
	s.output.add(float64(r.Output))
	s.sum.InputTokens += r.Input
	s.sum.OutputTokens += r.Output
	s.sum.ReasoningTokens += r.Reasoning
	s.sum.CachedTokens += r.Cached
	if r.Estimated {
		s.sum.Estimated++
	}
	if r.Stream && r.Events > 0 {
		s.visible += r.VisibleOutput()
		s.events += int64(r.Events)
	}
	if r.WantOutput > 0 && !r.Estimated {
		s.lengths++
		if off := float64(r.Output - r.WantOutput); off > lengthTolerance*float64(r.WantOutput) || -off > lengthTolerance*float64(r.WantOutput) {
			s.missed++
		}
	}
	if r.Priced {
		s.priced++
	} else {
		s.sum.Unpriced++
	}
}

// addLimits keeps the newest limits, and the highest shares of them that were in use.
func (s *Summarizer) addLimits(r *Record) {
	l := r.Limits
	if l.Requests > 0 && r.Done >= s.requestLimitAt {
		s.requestLimitAt, s.limits.Requests = r.Done, l.Requests
	}
	if l.Tokens > 0 && r.Done >= s.tokenLimitAt {
		s.tokenLimitAt, s.limits.Tokens = r.Done, l.Tokens
	}
	s.requestsInUse = max(s.requestsInUse, inUse(l.Requests, l.RequestsLeft))
	s.tokensInUse = max(s.tokensInUse, inUse(l.Tokens, l.TokensLeft))
}

// inUse is the share of a limit that is taken, or -1 if a header is missing.
func inUse(limit, left int64) float64 {
	if limit <= 0 || left < 0 {
		return -1
	}
	return max(0, 1-float64(left)/float64(limit))
}

// Finish sets run's Summary, Bins and Hists from the records and from run's From, To, Series and Gaps, which must be set.
// It is called once. An error means that Gaps cannot be read.
func (s *Summarizer) Finish(run *Run) error {
	gaps, err := DecodeHist(run.Gaps)
	if err != nil {
		return fmt.Errorf("read gaps of run %s: %w", run.ID, err)
	}
	sum := s.sum
	sum.Window = (run.To - run.From).Seconds()
	sum.ICL = histDist(gaps, 1000)
	s.setRates(&sum, run)
	s.setShares(&sum)
	if run.Hists, err = s.hists(); err != nil {
		return err
	}
	s.setDists(&sum)
	run.Summary, run.Bins = sum, s.bins.result()
	return nil
}

// setRates sets what happened inside the window, and over the whole of the measured requests.
func (s *Summarizer) setRates(sum *Summary, run *Run) {
	if sum.Window > 0 {
		w := s.line.window(run.From, run.To)
		sum.TPS = w.ok / sum.Window
		sum.Goodput = w.good / sum.Window
		sum.InputRate = w.input / sum.Window
		sum.OutputRate = emitted(run.Series, run.From, run.To) / sum.Window
		sum.RPM = w.sent / sum.Window * 60
		sum.TPM = (sum.InputRate + sum.OutputRate) * 60
		sum.Concurrency = w.inFlight / sum.Window
		if w.latency > 0 && w.sent > 0 {
			sum.Little = sum.Concurrency / (w.sent / sum.Window * (w.latency / w.answered))
		}
	}
	if s.sent && s.last > s.first {
		sum.Whole = (s.last - s.first).Seconds()
		sum.WholeTPS = float64(sum.OK) / sum.Whole
		sum.WholeOutput = float64(sum.OutputTokens) / sum.Whole
	}
}

// emitted is the number of tokens inside the window; of a second at its edge, the share of time.
func emitted(series []Second, from, to time.Duration) float64 {
	var sum float64
	for i := range series {
		begin := time.Duration(i) * time.Second
		if overlap := min(to, begin+time.Second) - max(from, begin); overlap > 0 {
			sum += series[i].Tokens * overlap.Seconds()
		}
	}
	return sum
}

// setShares sets what is a share of something, and the costs.
func (s *Summarizer) setShares(sum *Summary) {
	if sum.Requests > 0 {
		sum.GoodFraction = float64(s.good) / float64(sum.Requests)
	}
	if s.events > 0 {
		sum.TokensPerEvent = float64(s.visible) / float64(s.events)
	}
	if s.lengths > 0 {
		sum.LengthMiss = float64(s.missed) / float64(s.lengths)
	}
	sum.RPMLimit, sum.TPMLimit = s.limits.Requests, s.limits.Tokens
	sum.RPMUsed, sum.TPMUsed = s.requestsInUse, s.tokensInUse
	sum.Cost = float64(s.cost) / 1e9
	if s.priced > 0 {
		sum.CostPerCall = sum.Cost / float64(s.priced)
		sum.CostPerHour = sum.CostPerCall * sum.TPS * 3600
	}
}

// setDists sets the distributions, one after the other in one buffer.
func (s *Summarizer) setDists(sum *Summary) {
	var buf []float64
	for _, x := range []struct {
		to   *Dist
		from *sample
	}{
		{&sum.TTFT, &s.ttft},
		{&sum.TTFTSched, &s.ttftSched},
		{&sum.TTFO, &s.ttfo},
		{&sum.FirstEvent, &s.firstEvent},
		{&sum.TPOT, &s.tpot},
		{&sum.NTPOT, &s.ntpot},
		{&sum.E2E, &s.e2e},
		{&sum.E2ESched, &s.e2eSched},
		{&sum.Input, &s.input},
		{&sum.Output, &s.output},
	} {
		*x.to, buf = x.from.dist(buf)
		x.from.chunks = nil
	}
}

// Names in Run.Hists.
const (
	HistTTFT      = "ttft"
	HistTTFTSched = "ttft_sched"
	HistTPOT      = "tpot"
	HistE2E       = "e2e"
	HistE2ESched  = "e2e_sched"
)

func (s *Summarizer) hists() (map[string]string, error) {
	out := map[string]string{}
	for name, x := range map[string]*sample{
		HistTTFT: &s.ttft, HistTTFTSched: &s.ttftSched, HistTPOT: &s.tpot, HistE2E: &s.e2e, HistE2ESched: &s.e2eSched,
	} {
		if x.n == 0 {
			continue
		}
		text, err := EncodeHist(x.histogram())
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	return out, nil
}

// EncodeHist returns h as HdrHistogram V2, compressed, in base64: the form of Run.Gaps and Run.Hists.
func EncodeHist(h *hdrhistogram.Histogram) (string, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(b), nil
}

// DecodeHist reads what EncodeHist returned. It returns nil for the empty text.
func DecodeHist(text string) (*hdrhistogram.Histogram, error) {
	if text == "" {
		return nil, nil
	}
	h, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	return h, nil
}
