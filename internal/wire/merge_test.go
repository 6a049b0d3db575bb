package wire

import "testing"

func TestMerge(t *testing.T) {
	t.Parallel()
	f := func(name, want string, add func(v *Merged)) {
		t.Helper()
		var m Merge
		add(m.At([]byte(`"a"`)))
		if got := string(m.Append(nil)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	each := func(take func(v *Merged, lit []byte), lits ...string) func(v *Merged) {
		return func(v *Merged) {
			for _, lit := range lits {
				take(v, []byte(lit))
			}
		}
	}
	f("nothing", `{}`, func(*Merged) {})
	f("a fault", `{}`, each((*Merged).Set, ""))
	f("set", `{"a":2.0}`, each((*Merged).Set, `1`, `2.0`, `null`, `""`, `[]`, `{}`))
	f("set, of what says nothing", `{"a":""}`, each((*Merged).Set, `null`, `""`))
	f("set false and 0", `{"a":false}`, each((*Merged).Set, `0`, `false`))
	f("first", `{"a":"x"}`, each((*Merged).First, `null`, `"x"`, `"y"`))
	f("join", `{"a":"x\u00e9y"}`, each((*Merged).Join, `null`, `"x"`, `""`, `"\u00e9"`, `null`, `7`, `"y"`))
	f("join nothing", `{"a":""}`, each((*Merged).Join, `null`, `""`))
	f("extend", `{"a":[1,[2],3]}`, each((*Merged).Extend, `null`, `[1]`, `[ ]`, `null`, `[ [2],3 ]`))
	f("extend with what is new", `{"a":[{"x":1},2,3]}`, each((*Merged).ExtendNew, `[{"x":1}]`, `[2,{"x":1}]`, `[3]`))
	f("object", `{"a":{"b":1}}`, func(v *Merged) {
		v.Object().At([]byte(`"b"`)).Set([]byte(`1`))
		v.Object().At([]byte(`"c"`))
	})
	f("put, and clear", `{}`, func(v *Merged) {
		v.Put(func(dst []byte) []byte { return append(dst, '1') })
		if !v.Says() || v.Missing() {
			t.Error("what is put says nothing")
		}
		v.Clear()
	})
}
