package wire

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVector holds that a vector is read back as it was, as numbers and packed.
func TestVector(t *testing.T) {
	t.Parallel()
	for _, v := range [][]float32{{}, {0, -0.1, 1.0 / 3}, {math.MaxFloat32, math.SmallestNonzeroFloat32, -1e-30}} {
		for _, packed := range []bool{false, true} {
			lit := AppendVector(nil, v, packed)
			got, err := ReadVector(lit)
			if err != nil || !Valid(lit) {
				t.Fatalf("%s: %v", lit, err)
			}
			if d := cmp.Diff(v, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", lit, d)
			}
		}
	}
	if got := string(AppendVector(nil, []float32{1, -0.5}, true)); got != `"AACAPwAAAL8="` {
		t.Errorf("packed as %s, which is not little-endian", got)
	}
	if got := string(AppendVector(nil, []float32{float32(math.NaN()), float32(math.Inf(1))}, false)); got != `[null,null]` {
		t.Errorf("what JSON has no number for is written as %s", got)
	}
	for _, lit := range []string{`{}`, `["1"]`, `[1e40]`, `"AAA="`, `"?"`, `null`} {
		if v, err := ReadVector([]byte(lit)); err == nil {
			t.Errorf("%s is read as %v", lit, v)
		}
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	f := func(body string, ok, valid bool, want ...string) {
		t.Helper()
		var got []string
		object, err := Walk([]byte(body), func(name string, at Span) bool {
			got = append(got, name+"="+string(at.Of([]byte(body))))
			return name != "stop"
		})
		if object != ok || (err == nil) != valid {
			t.Errorf("%s: %v %v", body, object, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
	}
	f(` {"a": 1 , "\u0062":[2, {"c":3}]} `, true, true, "a=1", `b=[2, {"c":3}]`)
	f(`{"stop":1,"b"`, true, true, "stop=1")
	f(`{"a":1`, true, false, "a=1")
	f(`{"a":tru}`, true, false)
	f(`[1]`, false, true)
	f(`"x`, false, false)
	f(``, false, false)
	body := []byte(`{"l":[1, "a,b" ,[2]]}`)
	list, ok := Elements(body, Span{5, len(body) - 1})
	if !ok || len(list) != 3 || string(list[1].Of(body)) != `"a,b"` {
		t.Errorf("elements %v %v", list, ok)
	}
	if _, ok := Elements(body, Span{0, len(body)}); ok {
		t.Error("an object has elements")
	}
}
