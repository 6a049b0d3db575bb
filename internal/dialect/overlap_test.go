package dialect

import (
	"strings"
	"testing"
)

func TestOverlap(t *testing.T) {
	long := "The lock keeper opens the gates at dawn, and the water falls slowly through the sluice into the canal below."
	f := func(sofar, next string, exact bool, want string) {
		t.Helper()
		if got := next[overlap([]byte(sofar), []byte(next), exact, exact):]; got != want {
			t.Errorf("after %q, of %q (exact %v): got %q, want %q", sofar, next, exact, got, want)
		}
	}
	f("The quick", " brown fox", true, " brown fox")
	f("The quick", " brown fox", false, " brown fox")
	f("The quick ", "brown fox", false, "brown fox")
	f("hel", "lo", false, "lo")                       // chance
	f("I like cats and", " and dogs", false, " dogs") // the last word again
	f("I like cats and", "and dogs", false, " dogs")  // the same without the space
	f("the quick bro", "brown fox", false, "wn fox")  // the broken word, whole
	f("a\n\n", "\n\nb", true, "b")                    // white space that prefill had to lose
	f("a ", "b", true, "b")                           //
	f("data", "data", true, "data")                   // an exact continuation may repeat a word
	f(long, " Then it rests.", false, " Then it rests.")
	f(long, long+" Then it rests.", false, " Then it rests.")                                           // began anew
	f(long, "Sure, here is the rest: "+long[len(long)-40:]+" Then it rests.", false, " Then it rests.") // talk before it
	f(long, long[len(long)-30:]+" Then it rests.", false, " Then it rests.")
	f(long, long[len(long)-30:]+" Then it rests.", true, " Then it rests.")
	f(long, "Sure, continuing where I left off:\n\n Then it rests.", false, " Then it rests.")
	f(long, "Three things remain:\n1. Rest.", false, "Three things remain:\n1. Rest.")
	f("The mill feeds the gate. This deep current", " crosses the basin. Each bank holds. The mill feeds the gate. This deep current slows.", false,
		" crosses the basin. Each bank holds. The mill feeds the gate. This deep current slows.") // the same words come again
	f("[0, 0, 0, 0, 0, 0,", " 0, 0, 0, 0, 0, 0, 1]", false, " 0, 0, 0, 0, 0, 0, 1]")
	f("| a |\n| --- | --- | --- |", " --- | --- |\n", false, " --- | --- |\n")
	f(long, long+" Then it rests.", true, " Then it rests.")
	f("水门在黎明时打开，水流进运河。", "水流进运河。然后它休息。", false, "然后它休息。")
	f("", "anything", false, "anything")
	f("a\n", "\nb", false, "\nb") // a break between paragraphs, in two
	f("a  ", "  b", false, "b")
	f("anything", "", false, "")
}

// TestOverlapUntrimmed has a model that was given all of the text as its own: white space that it writes is its own too.
func TestOverlapUntrimmed(t *testing.T) {
	for _, blank := range []string{" ", "\n", "    "} {
		if n := overlap([]byte("a"+blank), []byte(blank+"b"), true, false); n != 0 {
			t.Errorf("%d bytes of %q are left out", n, blank+"b")
		}
	}
}

func TestRestOfCall(t *testing.T) {
	f := func(sent, whole, rest string, ok bool) {
		t.Helper()
		if got, good := restOfCall(sent, []byte(whole)); good != ok || ok && string(got) != rest {
			t.Errorf("of %q after %q: got %q, %v, want %q, %v", whole, sent, got, good, rest, ok)
		}
	}
	f(`{"at":`, `{"at":"x"}`, `"x"}`, true)
	f(``, `{"at":"x"}`, `{"at":"x"}`, true)
	f(`{"at":"x"}`, `{"at": "x"}`, ``, true)
	f(`{"a":1,"b":2.0}`, `{ "b":2.0, "a":1 }`, ``, true)
	f(`{"a": "x y`, `{"a":"x y z"}`, ` z"}`, true)
	f(`{"a":"x \" `, `{ "a" : "x \" y"}`, `y"}`, true)
	f(`{"a":1}`, `{"a":2}`, ``, false)
	f(`{"a":"x`, `{"b":"x"}`, ``, false)
}

func FuzzOverlap(f *testing.F) {
	f.Add("some text that ends", "that ends here", true)
	f.Add("some text", "some text", false)
	f.Fuzz(func(t *testing.T, sofar, next string, exact bool) {
		n := overlap([]byte(sofar), []byte(next), exact, exact)
		if n < 0 || n > len(next) {
			t.Fatalf("overlap of %q and %q is %d", sofar, next, n)
		}
		if n > 0 && exact && next[:n] != sofar && !strings.HasSuffix(sofar, next[:n]) {
			t.Fatalf("%q is no repetition of the end of %q", next[:n], sofar)
		}
	})
}
