package wire

import (
	"testing"

	"sluice/internal/llm"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	f := func(object string, wantOK bool, want ...string) {
		t.Helper()
		body := []byte("[" + object + "]")
		values, ok := Members(body, Span{1, len(body) - 1}, "a", "b")
		if ok != wantOK {
			t.Errorf("%s: %v", object, ok)
		}
		for i := range want {
			if got := string(values[i].Of(body)); got != want[i] {
				t.Errorf("%s: %q, want %q", object, got, want[i])
			}
		}
	}
	f(`{"b": [1] ,"a":"x"}`, true, `"x"`, `[1]`)
	f(`{"\u0061":1,"c":{"b":2}}`, true, `1`, ``)
	f(`{"a":null,"b":false}`, true, ``, `false`)
	f(`{"a":1,"a":2}`, false)
	f(`{"a":null,"a":2}`, false)
	f(`{"a":1`, false)
	f(`{}`, true, ``, ``)
	f(`"a"`, false)
	f(``, false)
}

func TestNewFileForm(t *testing.T) {
	t.Parallel()
	f := func(object string, c *Change, want string) {
		t.Helper()
		form := NewFileForm([]byte(object), c, "data", "data:x;base64,")
		if got := string(form.Before) + "eA==" + string(form.After); got != want || !Valid([]byte(got)) {
			t.Errorf("%s became %s, want %s", object, got, want)
		}
	}
	f(`{}`, &Change{}, `{"data":"data:x;base64,eA=="}`)
	f(`{"id":1}`, &Change{Drop: []string{"id"}}, `{"data":"data:x;base64,eA=="}`)
	f(`{ "id":1, "x" : {"y":2} }`, &Change{Drop: []string{"id"}, Set: []llm.Member{{Name: "n", Value: `"v"`}}}, `{"x" : {"y":2},"n":"v","data":"data:x;base64,eA=="}`)
}
