package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RequestError is the refusal of a request by a server of this dialect. Its status is 400.
type RequestError struct {
	Message string
	Param   string // path of the field at fault, such as messages[0].role; empty if none
	Code    string // empty if none
}

// Error returns the message.
func (e *RequestError) Error() string { return e.Message }

// maxNumber bounds whole numbers in requests.
const maxNumber = math.MaxInt32

// fields reads the members of one JSON object. The first error stays in err and later reads return zero values, so that a
// decoder reads straight down and looks once at the end.
type fields struct {
	path    string // of the object within the body; empty for the body
	members map[string]json.RawMessage
	err     *RequestError
}

// newFields reads the body of a request.
func newFields(body []byte) *fields {
	f := &fields{}
	if err := json.Unmarshal(body, &f.members); err != nil || f.members == nil {
		f.members = nil
		f.err = &RequestError{Message: "We could not parse the JSON body of your request. (HINT: This likely means " +
			"you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent " +
			"was not valid JSON.)"}
	}
	return f
}

// object reads raw as an object that is the member name of f. Its error must be taken over with take.
func (f *fields) object(raw json.RawMessage, name string) *fields {
	sub := &fields{path: f.at(name)}
	if f.err != nil {
		sub.err = f.err
		return sub
	}
	if err := json.Unmarshal(raw, &sub.members); err != nil || sub.members == nil {
		sub.err = typeErrorAt(sub.path, "an object", raw)
	}
	return sub
}

// take makes the error of a sub-object the error of f and reports whether f has one.
func (f *fields) take(sub *fields) bool {
	if f.err == nil {
		f.err = sub.err
	}
	return f.err != nil
}

func (f *fields) at(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "." + name
}

func (f *fields) fail(name, code, message string) {
	if f.err == nil {
		f.err = &RequestError{Message: message, Param: f.at(name), Code: code}
	}
}

func (f *fields) typeError(name, want string, got json.RawMessage) {
	if f.err == nil {
		f.err = typeErrorAt(f.at(name), want, got)
	}
}

// required fails unless the member is there; null counts as missing.
func (f *fields) required(name string) *fields {
	if k := jsonKindOf(f.members[name]); k == jsonNone || k == jsonNull {
		f.fail(name, "missing_required_parameter", fmt.Sprintf("Missing required parameter: '%s'.", f.at(name)))
	}
	return f
}

// raw returns the member's JSON as sent; nil if it is not there.
func (f *fields) raw(name string) json.RawMessage { return f.members[name] }

// text reads a string; empty if it is missing or null.
func (f *fields) text(name string) string {
	raw := f.members[name]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		f.typeError(name, "a string", raw)
	}
	return s
}

// oneOf reads a string of a closed set.
func (f *fields) oneOf(name string, allowed ...string) string {
	s := f.text(name)
	if s == "" && jsonKindOf(f.members[name]) != jsonString {
		return ""
	}
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	f.fail(name, "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: '%s'.",
		s, strings.Join(allowed, "', '")))
	return ""
}

func (f *fields) boolean(name string, missing bool) bool {
	raw := f.members[name]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return missing
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		f.typeError(name, "a boolean", raw)
		return missing
	}
	return b
}

// number reads a whole number from low to high.
func (f *fields) number(name string, low, high, missing int64) int64 {
	raw := f.members[name]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return missing
	}
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(raw)), 64)
	if err != nil || v != math.Trunc(v) {
		f.typeError(name, "an integer", raw)
		return missing
	}
	if v < float64(low) || v > float64(high) {
		f.rangeError(name, v, float64(low), float64(high))
		return missing
	}
	return int64(v)
}

// float checks a number that only has to be in its range.
func (f *fields) float(name string, low, high float64) {
	raw := f.members[name]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return
	}
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(raw)), 64)
	switch {
	case err != nil:
		f.typeError(name, "a decimal", raw)
	case v < low || v > high:
		f.rangeError(name, v, low, high)
	}
}

func (f *fields) rangeError(name string, v, low, high float64) {
	if v < low {
		f.fail(name, "decimal_below_min_value", fmt.Sprintf(
			"Invalid '%s': value below minimum. Expected a value >= %v, but got %v instead.", f.at(name), low, v))
		return
	}
	f.fail(name, "decimal_above_max_value", fmt.Sprintf(
		"Invalid '%s': value above maximum. Expected a value <= %v, but got %v instead.", f.at(name), high, v))
}

// list reads an array; nil if it is missing or null.
func (f *fields) list(name string) []json.RawMessage {
	raw := f.members[name]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		f.typeError(name, "an array", raw)
	}
	return all
}

// stop reads the stop sequences: one string or up to four.
func (f *fields) stop() []string {
	if jsonKindOf(f.members["stop"]) == jsonString {
		return []string{f.text("stop")}
	}
	var all []string
	for i, raw := range f.list("stop") {
		var s string
		if jsonKindOf(raw) != jsonString || json.Unmarshal(raw, &s) != nil {
			f.typeError(pathIndex("stop", i), "a string", raw)
			return nil
		}
		all = append(all, s)
	}
	if len(all) > 4 {
		f.fail("stop", "array_above_max_length", fmt.Sprintf("Invalid 'stop': array too long. Expected an array with "+
			"maximum length 4, but got an array with length %d instead.", len(all)))
	}
	return all
}

// streamOptions reads stream_options, which only a streamed request may have.
func (f *fields) streamOptions(stream bool) (usage, each bool) {
	raw := f.members["stream_options"]
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull || f.err != nil {
		return false, false
	}
	if !stream {
		f.fail("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
		return false, false
	}
	o := f.object(raw, "stream_options")
	usage = o.boolean("include_usage", false)
	each = o.boolean("continuous_usage_stats", false)
	f.take(o)
	return usage, each
}

// inputs reads texts for completions and embeddings: string, string[], int[] or int[][].
func (f *fields) inputs(name string, limit int) []Input {
	raw := f.members[name]
	if f.err != nil {
		return nil
	}
	if jsonKindOf(raw) == jsonString {
		return []Input{{Text: f.text(name)}}
	}
	list := f.list(name)
	if f.err == nil && len(list) == 0 {
		f.fail(name, "empty_array", fmt.Sprintf("Invalid '%s': empty array. Expected an array with minimum length 1, "+
			"but got an empty array instead.", f.at(name)))
	}
	if f.err != nil {
		return nil
	}
	if jsonKindOf(list[0]) == jsonNumber {
		return []Input{{Tokens: f.tokens(raw, name)}}
	}
	if len(list) > limit {
		f.fail(name, "array_above_max_length", fmt.Sprintf("Invalid '%s': array too long. Expected an array with "+
			"maximum length %d, but got an array with length %d instead.", f.at(name), limit, len(list)))
		return nil
	}
	all := make([]Input, len(list))
	for i, one := range list {
		switch jsonKindOf(one) {
		case jsonString:
			if json.Unmarshal(one, &all[i].Text) != nil {
				f.typeError(pathIndex(name, i), "a string", one)
			}
		case jsonArray:
			all[i].Tokens = f.tokens(one, pathIndex(name, i))
		default:
			f.typeError(pathIndex(name, i), "one of a string or array of integers", one)
		}
	}
	return all
}

func (f *fields) tokens(raw json.RawMessage, name string) []int64 {
	var all []int64
	if json.Unmarshal(raw, &all) != nil {
		f.typeError(name, "an array of integers", raw)
	}
	if all == nil {
		all = []int64{}
	}
	return all
}

// The kinds of JSON values, told by the first byte.
type jsonKind uint8

const (
	jsonNone jsonKind = iota
	jsonNull
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

func jsonKindOf(raw json.RawMessage) jsonKind {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return jsonNone
	}
	switch raw[0] {
	case 'n':
		return jsonNull
	case 't', 'f':
		return jsonBool
	case '"':
		return jsonString
	case '[':
		return jsonArray
	case '{':
		return jsonObject
	default:
		return jsonNumber
	}
}

func typeErrorAt(path, want string, got json.RawMessage) *RequestError {
	name := [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[jsonKindOf(got)]
	return &RequestError{
		Param: path, Code: "invalid_type",
		Message: fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", path, want, name),
	}
}

func pathIndex(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }
