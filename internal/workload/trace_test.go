package workload

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	azureSample = "\ufeffTIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n\r\n" +
		"2023-11-16 18:17:05.0319600,110,27\r\n2023-11-16 18:17:04.0319600,3180,8\r\n"
	azure2024      = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:00.017335+00:00,2399,6\n"
	mooncakeSample = `{"timestamp": 0, "input_length": 1200, "output_length": 500, "hash_ids": [46, 47, 90]}
{"timestamp": 3000, "input_length": 1024, "output_length": 5, "hash_ids": [46, 47]}
{"timestamp": 3000, "input_length": 1500, "output_length": 5, "hash_ids": [46, 48, 47]}
{"timestamp": 2999.5, "input_length": 3, "output_length": 1}
`
	plainSample = "offset_ms,input_tokens,output_tokens,blocks\n0,1200,500,0-2\n1000.5,1024,5,0 1\n1000.5,20,5,\n"
)

func TestReadTrace(t *testing.T) {
	t.Parallel()
	type row struct {
		At            time.Duration
		In, Out, Seen int32
		Blocks        []int32
	}
	f := func(name, src, format string, limit int, want []row) {
		t.Helper()
		tr, err := readTrace(strings.NewReader(src), format, limit, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var got []row
		for i, r := range tr.rows {
			got = append(got, row{r.at, r.in, r.out, r.seen, append([]int32(nil), tr.blocks(int32(i))...)})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	const ms = time.Millisecond
	azure := []row{{0, 4808, 10, 0, nil}, {52 * ms, 3180, 8, 0, nil}, {1052 * ms, 110, 27, 0, nil}}
	f("azure", azureSample, "", 0, azure)
	f("azure, named", azureSample, "azure", 0, azure)
	f("azure of 2024", azure2024, "", 0, []row{{0, 2162, 5, 0, nil}, {7405 * time.Microsecond, 2399, 6, 0, nil}})
	f("azure, two rows", azureSample, "", 2, []row{azure[0], azure[2]})
	f("columns in another order", "NumImages,GeneratedTokens,ContextTokens,TIMESTAMP\n3,2,1,2023-11-16 18:17:03\n", "", 0, []row{{0, 1, 2, 0, nil}})
	f("mooncake", mooncakeSample, "", 0, []row{
		{0, 1200, 500, 0, []int32{0, 1, 2}},
		{2999*ms + ms/2, 3, 1, 0, nil},
		{3000 * ms, 1024, 5, 1024, []int32{0, 1}},
		{3000 * ms, 1500, 5, 512, []int32{0, 3, 1}},
	})
	f("plain", plainSample, "", 0, []row{
		{0, 1200, 500, 0, []int32{0, 1, 2}}, {1000*ms + ms/2, 1024, 5, 1024, []int32{0, 1}}, {1000*ms + ms/2, 20, 5, 0, nil},
	})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(azureSample)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f("packed", packed.String(), "", 0, azure)
}

func TestReadTraceErrors(t *testing.T) {
	t.Parallel()
	f := func(src, format, want string) {
		t.Helper()
		if _, err := readTrace(strings.NewReader(src), format, 0, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want an error with %q", src, err, want)
		}
	}
	const azure, plain = "TIMESTAMP,ContextTokens,GeneratedTokens\n", "offset_ms,input_tokens,output_tokens,blocks\n"
	f("", "", "there are no rows")
	f(azure, "", "there are no rows")
	f("hello\n", "", "line 1: is the beginning of no known format (azure, mooncake, csv)")
	f("TIMESTAMP,ContextTokens\n", "", `line 1: the header has no column "generatedtokens"`)
	f(azure+"2023-11-16 18:17:03,5\n", "", "line 2: has 2 columns, 3 are needed")
	f(azure+"yesterday,5,5\n", "", `line 2: "yesterday" is no time`)
	f(azure+"2023-11-16 18:17:03,x,5\n", "", `line 2: "x" is no number of input tokens`)
	f(azure+"2023-11-16 18:17:03,5,\n", "", `line 2: "" is no number of output tokens`)
	f(azure+"2023-11-16 18:17:03,0,5\n", "", "line 2: 0 input tokens; a request has 1 to 10000000")
	f(azure+"2023-11-16 18:17:03,5,99999999\n", "", "line 2: 99999999 output tokens; a request has 1 to 10000000")
	f(azure+"2023-11-16 18:17:03,5,5\n2043-11-16 18:17:03,5,5\n", "", "line 3: is 175")
	f(plain+"-1,5,5\n", "", `line 2: "-1" is no offset in milliseconds`)
	f(plain+"NaN,5,5\n", "", `line 2: "NaN" is no offset in milliseconds`)
	f(plain+"1,5,5,4-2\n", "", `line 2: "4-2" is neither a block nor a run of blocks`)
	f(plain+"1,5,5,0-99999999999\n", "", `is neither a block nor a run of blocks`)
	f(plain+"1,512,5,0 1\n", "", "line 2: 2 blocks of 512 tokens are too many for 512 input tokens")
	f("{]\n", "", "line 1: is no JSON object of a trace")
	f(`{"timestamp": 1}`, "", "line 1: needs timestamp, input_length and output_length")
	f(`{"timestamp": -1, "input_length": 1, "output_length": 1}`, "", "timestamp -1 is not between 0 and a year")
	f(mooncakeSample, "azure", `the header has no column "timestamp"`)
	f("\x1f\x8b but not packed", "", "unpack: ")
	f(azure+strings.Repeat("x", maxTraceLine+1), "", "line 2: is longer than 1024 KiB")
	f(plain+strings.Repeat("1,5,5\n", maxTraceRows+1), "", "there are more than 1000000 rows; set trace.limit")
}

// The facts of the published traces that profiles.README.md and the ground truth name.
func TestShippedTracesHaveTheirFacts(t *testing.T) {
	t.Parallel()
	f := func(name string, rate, cv float64, in, out [3]int32) {
		t.Helper()
		tr, err := shippedTrace(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		var ins, outs []int32
		var gaps []float64
		for i, r := range tr.rows {
			ins, outs = append(ins, r.in), append(outs, r.out)
			if i > 0 {
				gaps = append(gaps, (r.at - tr.rows[i-1].at).Seconds())
			}
		}
		slices.Sort(ins)
		slices.Sort(outs)
		n := len(ins)
		at := func(sorted []int32) [3]int32 { return [3]int32{sorted[n/2], sorted[n*95/100], sorted[n*99/100]} }
		if at(ins) != in || at(outs) != out {
			t.Errorf("%s: percentiles 50, 95, 99 are %v in and %v out, want %v and %v", name, at(ins), at(outs), in, out)
		}
		var mean, sum float64
		for _, g := range gaps {
			mean += g / float64(len(gaps))
		}
		for _, g := range gaps {
			sum += (g - mean) * (g - mean)
		}
		if got := math.Sqrt(sum/float64(len(gaps))) / mean; math.Abs(got-cv) > 0.02*cv || math.Abs(tr.rate()-rate) > 0.005*rate {
			t.Errorf("%s: %.3f requests a second with gaps of variation %.2f, want %.3f and %.2f", name, tr.rate(), got, rate, cv)
		}
	}
	f("azure-code", 2.57, 13.15, [3]int32{1469, 7315, 7436}, [3]int32{13, 90, 252})
	f("azure-conv", 5.55, 1.09, [3]int32{1035, 4086, 4122}, [3]int32{141, 463, 613})
	f("mooncake-conversation", 3.4, 3.04, [3]int32{6909, 39552, 85401}, [3]int32{350, 698, 1120})
}

func TestIdealHitRateOfMooncake(t *testing.T) {
	t.Parallel()
	tr, err := shippedTrace("mooncake-conversation", 0)
	if err != nil {
		t.Fatal(err)
	}
	// 36.6 % of all blocks, the last one of a prompt counted when a cache could hold it: if it has all its tokens or is seen whole.
	var seen, blocks float64
	for i, r := range tr.rows {
		seen += math.Ceil(float64(r.seen) / mooncakeBlock)
		blocks += float64(len(tr.blocks(int32(i))))
	}
	if math.Abs(seen/blocks-0.366) > 0.001 {
		t.Errorf("%.4f of the blocks are seen before, want 0.366", seen/blocks)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(azureSample), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(keys string, o ScheduleOptions, want ...time.Duration) {
		t.Helper()
		w, err := Parse(filepath.Join(dir, "w.yaml"), []byte("benchmark_workload:\n  name: x\n"+keys))
		if err != nil {
			t.Error(err)
			return
		}
		s := mustSchedule(t, w, o)
		var got []time.Duration
		for _, slot := range s.Slots {
			if slot.Phase == Sustain {
				got = append(got, slot.At-s.Phases.Warmup-s.Phases.Ramp)
				if r := w.load.Trace.rows[slot.Row]; r.in != slot.Input || r.out != slot.Output {
					t.Errorf("%s: slot %+v is not row %+v", keys, slot, r)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", keys, diff)
		}
		if last := want[len(want)-1]; s.Phases.Sustain <= last || s.Phases.Sustain > 2*last+time.Millisecond {
			t.Errorf("%s: the sustain phase is %v, the last row at %v", keys, s.Phases.Sustain, last)
		}
	}
	const ms = time.Millisecond
	f("  trace: {file: t.csv}", ScheduleOptions{}, 0, 52*ms, 1052*ms)
	f("  trace: {file: t.csv, speed: 2}", ScheduleOptions{}, 0, 26*ms, 526*ms)
	f("  trace: {file: t.csv}\n  phases: {warmup: 10s, ramp: 5s, sustain: 100ms}", ScheduleOptions{}, 0, 52*ms)
	f("  trace: {file: t.csv}\n  phases: {warmup: 10s, ramp: 5s, sustain: 1h}", ScheduleOptions{}, 0, 52*ms, 1052*ms)
	f("  trace: {file: t.csv}", ScheduleOptions{Requests: 2, Phases: &Phases{Sustain: 90 * ms}}, 0, 52*ms)
}

// Stamps that are 3 s apart hide Poisson arrivals: spread out, they must look like that again, and not pass into one another.
func TestDejitter(t *testing.T) {
	t.Parallel()
	w, err := Load("mooncake-conversation-trace")
	if err != nil {
		t.Fatal(err)
	}
	s := mustSchedule(t, w, ScheduleOptions{Phases: &Phases{Sustain: time.Hour}})
	if _, _, cv := gaps(s.Slots, Sustain); cv < 0.9 || cv > 1.15 {
		t.Errorf("gaps have the variation %.2f, want about 1", cv)
	}
	for _, slot := range s.Slots {
		if late := slot.At - w.load.Trace.rows[slot.Row].at; late < 0 || late > mooncakeStamp+2*time.Millisecond {
			t.Fatalf("row %d is %v after its stamp", slot.Row, late)
		}
	}
	other := mustSchedule(t, w, ScheduleOptions{Key: Key{Cell: 3, Step: 1}, Phases: &Phases{Sustain: time.Hour}})
	if !slices.Equal(s.Slots, other.Slots) {
		t.Error("another cell gets the rows at other times")
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, s := range []string{azureSample, azure2024, mooncakeSample, plainSample, "offset_ms,input_tokens,output_tokens\n5,1,1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tr, err := readTrace(bytes.NewReader(src), "", 1000, 0)
		if err != nil {
			return
		}
		for i, r := range tr.rows {
			switch {
			case r.in < 1 || r.out < 1 || r.seen < 0 || r.seen > r.in || r.at < 0:
				t.Fatalf("row %d: %+v", i, r)
			case i > 0 && r.at < tr.rows[i-1].at:
				t.Fatalf("row %d is before row %d", i, i-1)
			}
		}
		if tr.block != 0 && tr.block != mooncakeBlock {
			t.Fatalf("blocks of %d tokens", tr.block)
		}
		again, err := readTrace(bytes.NewReader(encodePlain(tr)), "", 0, 0)
		if err != nil || len(again.rows) != len(tr.rows) || !slices.Equal(again.ids, tr.ids) {
			t.Fatalf("the plain form of a trace reads as another (error %v)", err)
		}
	})
}
