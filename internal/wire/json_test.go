package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

var jsonSeeds = []string{
	`{}`, `[]`, ` [ ] `, `null`, `true`, `false`, `0`, `-0`, `1.5e+10`, `""`, `{"a":[1,{"b":null}],"c":"x"}`,
	`{"mod\u0065l":"\ud83d\ude00 \ud800 \n\/"}`, "\t\r\n{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }\n",
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `tru`, `tru3`, `nul`, `"`, `"\x"`, `"\u12g4"`, `"\u12`, "\"\n\"", "\"\x00\"",
	`[1,]`, `[,1]`, `[1 2]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{]`, `[}`, `[1}`,
	`{"a":1]`, `{} {}`, `{}x`, ``, ` `, `[[[[]]]]`, "\"\xff\xfe\"", "\ufeff{}", "\"12345678\\\"90123456\\\\\"", `[[],{},[[]]]`,
	strings.Repeat("[", 400) + strings.Repeat("]", 400),
}

func TestValidAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, s := range jsonSeeds {
		if got, want := Valid([]byte(s)), json.Valid([]byte(s)); got != want {
			t.Errorf("Valid(%q) = %t, encoding/json says %t", s, got, want)
		}
		for i := range len(s) { // truncated anywhere
			if got, want := Valid([]byte(s[:i])), json.Valid([]byte(s[:i])); got != want {
				t.Errorf("Valid(%q) = %t, encoding/json says %t", s[:i], got, want)
			}
		}
	}
}

func TestDepthLimit(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2))
	}
	if !Valid(nested(MaxDepth)) {
		t.Errorf("%d levels are refused", MaxDepth)
	}
	if Valid(nested(MaxDepth + 2)) {
		t.Errorf("%d levels are accepted", MaxDepth+2)
	}
	var s Scanner
	s.Reset(bytes.Repeat([]byte("["), MaxDepth+1))
	for s.Array() && s.Element() {
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "deeper than 512") {
		t.Errorf("stepping in: error %v does not name the limit", err)
	}
}

func TestSyntaxErrorSaysWhere(t *testing.T) {
	t.Parallel()
	f := func(text string, offset int, what string) {
		t.Helper()
		var s Scanner
		s.Reset([]byte(text))
		s.Value()
		s.End()
		var err *SyntaxError
		if !errors.As(s.Err(), &err) || err.Offset != offset || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: error %v, want offset %d and %q", text, s.Err(), offset, what)
		}
	}
	f(`{"a":tru3}`, 8, "unexpected character '3'")
	f(`{"a":1`, 6, "unexpected end")
	f(`{"a":1}}`, 7, "unexpected character '}'")
	f("[\"a\nb\"]", 3, `unexpected character '\n'`)
}

func TestMemberNamesAreUnescaped(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		var s Scanner
		s.Reset([]byte(text))
		if !s.Object() {
			t.Fatalf("%s is no object", text)
		}
		name, ok := s.Member()
		if !ok || string(name) != want {
			t.Errorf("%s: name %q %t, want %q", text, name, ok, want)
		}
	}
	f(`{"model":1}`, "model")
	f(`{"mod\u0065l":1}`, "model")
	f(`{"\u006d\u006F\u0064\u0065\u006c":1}`, "model")
	f(`{"a\"b":1}`, `a"b`)
	long := strings.Repeat("x", 100)
	f(`{"`+long+`":1}`, long)
	f(`{"\n`+long+`":1}`, `\n`+long)
}

// decode builds what json.Unmarshal into an any builds, with Scanner only.
func decode(s *Scanner, b []byte) any {
	switch s.Kind() {
	case Object:
		s.Object()
		m := map[string]any{}
		for {
			_, ok := s.Member()
			if !ok {
				return m
			}
			name := string(Unquote(nil, s.Name().Of(b)))
			m[name] = decode(s, b)
		}
	case Array:
		s.Array()
		l := []any{}
		for s.Element() {
			l = append(l, decode(s, b))
		}
		return l
	case String:
		v := s.Value()
		if v.Len() == 0 {
			return nil
		}
		return string(Unquote(nil, v.Of(b)))
	case Number:
		return json.Number(s.Value().Of(b))
	case Bool:
		v := s.Value()
		return v.Len() == 4
	default:
		s.Value()
		return nil
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		valid := Valid(b)
		if want := json.Valid(b); valid != want && !(want && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > MaxDepth) {
			t.Fatalf("Valid = %t, encoding/json says %t", valid, want)
		}
		var s Scanner
		s.Reset(b)
		got := decode(&s, b)
		if s.End() != valid {
			t.Fatalf("stepping in gives %v, Valid %t", s.Err(), valid)
		}
		if !valid || !json.Valid(b) {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(bytes.ToValidUTF8(b, []byte("?"))))
		dec.UseNumber()
		var want any
		if bytes.Equal(bytes.ToValidUTF8(b, []byte("?")), b) && dec.Decode(&want) == nil {
			if !reflect.DeepEqual(want, got) { // go-cmp takes exponential time on deep nesting
				t.Fatalf("decoded %v, want %v", got, want)
			}
		}
	})
}

func TestStringLen(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `abc`, `\n\t\"`, `\u0041`, `\u00e9`, `\u4f60\u597d`, `\ud83d\ude00`, `12345678\\12345678`} {
		lit := []byte(`"` + text + `"`)
		var s Scanner
		s.Reset(lit)
		if got, want := s.StringLen(s.Value()), len(Unquote(nil, lit)); got != want {
			t.Errorf("StringLen(%s) = %d, want %d", lit, got, want)
		}
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	f := func(lit string, want int64, ok bool) {
		t.Helper()
		if got, gotOK := Int([]byte(lit)); got != want || gotOK != ok {
			t.Errorf("Int(%s) = %d, %t, want %d, %t", lit, got, gotOK, want, ok)
		}
	}
	f("0", 0, true)
	f("-0", 0, true)
	f("17", 17, true)
	f("-17", -17, true)
	f("1e3", 1000, true)
	f("1E+3", 1000, true)
	f("10.0", 10, true)
	f("1.50e1", 15, true)
	f("1500e-2", 15, true)
	f("0e999999999", 0, true)
	f("1."+strings.Repeat("0", 40), 1, true)
	f("9223372036854775807", 9223372036854775807, true)
	f("9223372036854775808", 0, false)
	f("1.5", 0, false)
	f("1e-1", 0, false)
	f("1e99", 0, false)
	f(`"1"`, 0, false)
	f("null", 0, false)
	f("", 0, false)
}

func FuzzInt(f *testing.F) {
	for _, s := range []string{"0", "-1", "1e3", "10.0", "1.05e2", "123e-1", "9223372036854775808", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, lit string) {
		if !json.Valid([]byte(lit)) || len(lit) > 40 || strings.ContainsAny(lit, " \t\r\n\"[{tfn") {
			return
		}
		got, ok := Int([]byte(lit))
		if i := strings.IndexAny(lit, "eE"); i >= 0 && len(lit)-i > 5 {
			return // too large an exponent for the reference
		}
		r, parsed := new(big.Rat).SetString(lit)
		if !parsed {
			t.Fatalf("reference cannot read %q", lit)
		}
		if ok && r.Cmp(new(big.Rat).SetInt64(got)) != 0 {
			t.Fatalf("Int(%s) = %d", lit, got)
		}
		if !ok && r.IsInt() && r.Num().IsInt64() && len(lit) < 18 {
			t.Fatalf("Int(%s) refuses a whole number", lit)
		}
	})
}

func TestEqualString(t *testing.T) {
	t.Parallel()
	f := func(lit, text string, want bool) {
		t.Helper()
		if got := EqualString([]byte(lit), text); got != want {
			t.Errorf("EqualString(%s, %q) = %t", lit, text, got)
		}
	}
	f(`"error"`, "error", true)
	f(`"err\u006fr"`, "error", true)
	f(`"errors"`, "error", false)
	f(`"`+strings.Repeat(`\u0061`, 40)+`"`, "error", false)
	f(`null`, "null", false)
	f(``, "", false)
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "abc", "\"\\\n\r\t\b\x00\x1f\x7f", "é\u2028😀", "\xff", "a\xe4\xbd", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lit := AppendString(nil, text)
		if !bytes.Equal(lit, AppendString(nil, []byte(text))) {
			t.Fatal("string and bytes differ")
		}
		std, _ := json.Marshal(text)
		var want, got string
		if err := errors.Join(json.Unmarshal(std, &want), json.Unmarshal(lit, &got)); err != nil || got != want {
			t.Fatalf("AppendString(%q) = %s: %v", text, lit, err)
		}
		if !Valid(lit) || string(Unquote(nil, lit)) != want {
			t.Fatalf("cannot read back %s", lit)
		}
	})
}

func chatBody(size int) []byte {
	text := AppendString(nil, strings.Repeat("The quick \"brown\" fox jumps over the lazy dog.\n", 1+size/1000))
	b := []byte(`{"temperature":0.7,"messages":[`)
	for len(b) < size-100 {
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(b, `{"role":"user","content":`...)
		b = append(b, text...)
		b = append(b, '}')
	}
	return append(b, `],"model":"gpt-4o","stream":true}`...)
}

func TestScannerDoesNotAllocate(t *testing.T) {
	body := chatBody(2000)
	if n := testing.AllocsPerRun(100, func() {
		if !Valid(body) {
			t.Fatal("not valid")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkValid10KB(b *testing.B) {
	body := chatBody(10 << 10)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if !Valid(body) {
			b.Fatal("not valid")
		}
	}
}

func BenchmarkValidNumbers(b *testing.B) {
	body := []byte("[" + strings.Repeat("-0.012345678901,", 1535) + "1]")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if !Valid(body) {
			b.Fatal("not valid")
		}
	}
}
