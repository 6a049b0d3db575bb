package wire

import (
	"strings"
	"testing"
)

// readFields walks over body with a table of one field of each type, and says what was read.
func readFields(body string) (f Fields, v struct {
	model, text string
	flag        bool
	n, limit    int64
	has         bool
}, err string,
) {
	names := []string{"", "model", "text", "flag", "n", "limit"}
	fail := f.Begin([]byte(body), names)
	for fail == nil {
		var i int
		if i, fail = f.Next(); i == 0 || fail != nil {
			break
		}
		switch i {
		case 1:
			_, fail = f.Model(&v.model)
		case 2:
			fail = f.Text(names[i], 5, &v.text)
		case 3:
			fail = f.Bool(names[i], &v.flag)
		case 4:
			v.n, v.has, fail = f.Int(names[i])
		case 5:
			fail = f.Limit(names[i], &v.limit)
		}
	}
	if fail != nil {
		err = fail.Param + ": " + fail.Message
	}
	return f, v, err
}

func TestFieldsRead(t *testing.T) {
	t.Parallel()
	const body = ` {"x":{"model":1}, "model":"m\u0041","text":"h\u00e9\u00e9llo","flag" : true ,"n":1e3,"limit":-1,"y":[1] } `
	f, v, err := readFields(body)
	if err != "" || v.model != "mA" || v.text != "héé" || !v.flag || !v.has || v.n != 1000 || v.limit != 0 {
		t.Errorf("%+v, error %q", v, err)
	}
	if want := strings.LastIndex(body, "]") + 1; f.Last() != want {
		t.Errorf("the last value ends at %d, want %d", f.Last(), want)
	}
	if !f.Has(5) || f.Has(6) {
		t.Error("what was seen is wrong")
	}
	_, v, err = readFields(`{"text":null,"flag":null,"n":null,"limit":null}`)
	if err != "" || v.text != "" || v.flag || v.has || v.limit != 0 {
		t.Errorf("null: %+v, error %q", v, err)
	}
}

func TestFieldsRefuse(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		if _, _, err := readFields(body); !strings.HasPrefix(err, want) {
			t.Errorf("%s: %q, want %q", body, err, want)
		}
	}
	f(" \n", ": request body is empty")
	f("\ufeff{}", ": request body begins with a byte-order mark")
	f(`[{}]`, ": request body is an array; it must be a JSON object")
	f(`[{}`, ": request body is not valid JSON: unexpected end")
	f(`nope`, ": request body is not valid JSON")
	f(`{"a":1}}`, ": request body is not valid JSON")
	f(`{"a":1,}`, ": request body is not valid JSON")
	f(`{"flag":tru}`, ": request body is not valid JSON")
	f(`{"text":"a","text":"b"}`, "text: text is there twice")
	f(`{"text":"a","\u0074ext":"b"}`, "text: text is there twice")
	f(`{"Text":"a"}`, `text: "Text" is written in another case; write text`)
	f(`{"ﬂag":true}`, "") // a ligature is no other case
	f(`{"model":null}`, "model: model is null; it must be a string")
	f(`{"model":""}`, "model: model is empty")
	f(`{"model":"`+strings.Repeat("m", MaxModel+1)+`"}`, "model: model has 513 bytes, which is over the limit of 512")
	f(`{"text":1}`, "text: text is a number; it must be a string")
	f(`{"flag":"true"}`, "flag: flag is a string; it must be a boolean")
	f(`{"n":true}`, "n: n is a boolean; it must be a whole number")
	f(`{"limit":1.5}`, "limit: limit is 1.5; it must be a whole number")
}

func TestFieldsAllocateNothing(t *testing.T) {
	body, names := []byte(`{"a":[1,{}],"flag":true,"n":12}`), []string{"", "flag", "n"}
	if n := testing.AllocsPerRun(100, func() {
		var f Fields
		var flag bool
		if f.Begin(body, names) != nil {
			t.Error("not an object")
		}
		for {
			i, err := f.Next()
			if i == 0 || err != nil {
				break
			}
			if i == 1 {
				_ = f.Bool("flag", &flag)
				continue
			}
			_, _, _ = f.Int("n")
		}
		if !flag || !f.Has(2) {
			t.Error("not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// FuzzFields holds that a body is taken only if it is JSON, and that what is read stays within its limits.
func FuzzFields(f *testing.F) {
	f.Add(`{"model":"m","text":"a","flag":true,"n":1,"limit":2}`)
	f.Add(`{"MODEL":"m"}`)
	f.Add(`[1`)
	f.Fuzz(func(t *testing.T, body string) {
		w, v, err := readFields(body)
		if err == "" && !Valid([]byte(body)) {
			t.Fatalf("%q is taken, but it is no JSON", body)
		}
		if len(v.text) > 5 || len(v.model) > MaxModel || v.limit < 0 || w.Last() > len(body) {
			t.Fatalf("%q: %+v, last at %d", body, v, w.Last())
		}
	})
}
