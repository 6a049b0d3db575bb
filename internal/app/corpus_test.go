package app

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sample is one text of a corpus, with the marks of versions.
type sample struct{ name, text string }

// requestCorpus returns requests as a client sends them, with what may differ at the provider marked.
func requestCorpus() []sample {
	const usage = `«|,"stream_options":{"include_usage":true}»`
	return []sample{
		{"as it is", `{"model":"m"}`},
		{"white space and order", "\r\n\t {\n \"messages\" : [ ] ,\t\"model\"\r:\n«\"p/m\"|\"m\"» ,\"temperature\" :\t1 } \n\n"},
		{"odd numbers", `{"a":1e0,"b":1.0E+2,"c":-0,"d":1e400,"e":-1e-400,"f":123456789012345678901234567890,"g":0.10,"h":1E5,"model":«"p/m"|"m"»,"seed":-0.0}`},
		{"unknown at depth", `{"x":{"y":[{"z":[[],{},[null,{"model":"p/m","stream":true,"stream_options":null}]]}]},"model":«"p/m"|"m"»,"":{"":""}}`},
		{"nested twice", `{"model":«"p/m"|"m"»,"messages":[{"role":"user","role":"system","content":"a","content":"b"}],"metadata":{"k":1,"k":2}}`},
		{"unknown twice", `{"zeta":1,"zeta":2,"model":«"p/m"|"m"»,"zeta":{"zeta":3}}`},
		{"escapes", `{"model":«"p\/\u006d"|"m"»,"messages":[{"role":"\u0075ser","content":"\u00e9\/\b\f\n\r\t\\\"\ud83d\ude00 \u2028\u0000"}]}`},
		{"escaped name", `{"mod\u0065l":«"p/m"|"m"»,"stre\u0061m":false}`},
		{"surrogates that are none", `{"messages":[{"content":"\ud800 \udc00\ud800 \uD83Dx \ude00\ud83d"}],"model":«"p/m"|"m"»}`},
		{"bytes that are no UTF-8", "{\"messages\":[{\"content\":\"\xff\xfe\xc3(\xed\xa0\x80\"}],\"model\":«\"p/m\"|\"m\"»}"},
		{"raw characters", "{\"messages\":[{\"content\":\"é漢😀\u2028\u2029\u007f\"}],\"model\":«\"p/m\"|\"m\"»}"},
		{"empty parts", `{"model":"m","messages":[{"role":"user","content":[]},{"content":""},{},{"content":null}],"tools":[],"metadata":{},"stop":"","user":""}`},
		{"nulls", `{"model":"m","stream":null,"stream_options":null,"n":null,"max_tokens":null,"user":null,"service_tier":null}`},
		{"model in odd places", `{"metadata":{"model":"p/m"},"model":«"p/m"|"m"»,"messages":[{"model":"p/m","content":"\"model\":\"p/m\""}],"Model2":"p/m"}`},
		{"huge string", `{"messages":[{"content":"` + strings.Repeat(`0123456789abcdef\n`, 20_000) + `"}],"model":«"p/m"|"m"»}`},
		{"deep", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"model":«"p/m"|"m"»}`},
		{"numbers that count", `{"model":"m","max_tokens":1e1,"n":1.0,"max_completion_tokens":-1}`},

		{"stream", `{"model":"m","stream":true` + usage + `}`},
		{"stream, white space", "{ \"model\" : «\"p/m\"|\"m\"» , \"stream\" : true" + usage + " \n } "},
		{"stream, model last", `{"stream":true,"messages":[],"model":«"p/m"|"m"»` + usage + "\n}"},
		{"stream, usage asked", `{"stream_options":{"include_usage":true},"stream":true,"model":«"p/m"|"m"»}`},
		{"stream, usage asked, bare", `{"stream_options" : { "x":1e0, "include_usage" : true },"stream":true,"model":"m"}`},
		{"stream, usage declined", `{"stream_options":{"include_usage":«false|true»,"include_obfuscation":false},"stream":true,"model":"m"}`},
		{"stream, usage null", `{"stream_options":{"include_usage": «null|true» },"stream":true,"model":«"p/m"|"m"»}`},
		{"stream, options null", `{"stream":true,"stream_options": «null|{"include_usage":true}» ,"model":«"p/m"|"m"»}`},
		{"stream, options empty", `{"stream":true,"stream_options":{«|"include_usage":true» },"model":"m"}`},
		{"stream, options others", `{"stream":true,"stream_options":{«|"include_usage":true,» "include_obfuscation":false},"model":"m"}`},
		{"stream, options before model", `{"stream_options":{«|"include_usage":true,»"a":{}},"model":«"p/m"|"m"»,"stream":true}`},
		{"stream, options escaped", `{"stream_\u006fptions":{"\u0069nclude_usage":«false|true»},"model":«"p/m"|"m"»,"stream":true}`},
		{"no stream, options", `{"stream_options":{"include_usage":false},"model":«"p/m"|"m"»,"stream":false}`},
	}
}

// answerCorpus returns whole answers; they may not change at all.
func answerCorpus(op string) []sample {
	if op == "/embeddings" {
		return []sample{
			{"floats", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1e0,-0,0.10,1E-7,1e400]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`},
			{"base64", ` {"data":[{"index":0,"embedding":"AACAPwAA+AA=","x":null}],"error":null}` + "\n"},
		}
	}
	message := `"message":{"role":"assistant","content":"hi"}`
	if op == "/completions" {
		message = `"text":"hi"`
	}
	choice := `{"index":0,` + message + `,"finish_reason":"stop"}`
	return []sample{
		{"plain", `{"id":"c","object":"x","created":1.7e9,"model":"m-0613","choices":[` + choice + `],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`},
		{"white space in front", "\n\n \r\n{\"choices\" : [ " + choice + " ] }\n\n"},
		{"odd", `{"x":{"x":1,"x":[1e400,-0,1.0E+2]},"choices":[{"finish_reason":"stop","index":0,` + message + `,"finish_details":{"\ud800":"\u00e9"}}],"error":null,"usage":null}`},
		{"tools", `{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"","function":{"name":"f","arguments":"{\"a\": 1e0}"}}]},"finish_reason":"tool_calls"}]}`},
		{"raw characters", "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"é😀\u2028\xff\"},\"text\":\"é\",\"finish_reason\":\"length\"}]}"},
		{"large", `{"choices":[` + choice + `],"x":"` + strings.Repeat("0123456789abcdef", 10_000) + `"}`},
	}
}

// streamCorpus returns streams as a provider sends them, with what may differ at the client marked.
func streamCorpus(op string) []sample {
	say := func(content string) string { return `{"choices":[{"index":0,"delta":{"content":` + content + `}}]}` }
	end := `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	if op == "/completions" {
		say = func(content string) string { return `{"choices":[{"index":0,"text":` + content + `}]}` }
		end = `{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}`
	}
	lines := func(eol string, data ...string) string {
		text := ""
		for _, d := range data {
			text += "data: " + d + eol + eol
		}
		return text
	}
	hi, stop := say(`"hi"`), end
	usage := `"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`
	withUsage := func(chunk, member string) string { return `{` + member + chunk[1:] }
	return []sample{
		{"lf", lines("\n", hi, stop, "[DONE]")},
		{"crlf", lines("\r\n", hi, stop, "[DONE]")},
		{"cr", lines("\r", hi, stop, "[DONE]")},
		{"mixed ends", "data: " + hi + "\r\n\ndata: " + stop + "\n\r\ndata: [DONE]\r\n\r\n"},
		{"no space", strings.ReplaceAll(lines("\n", hi, stop, "[DONE]"), "data: ", "data:")},
		{"spaces", strings.ReplaceAll(lines("\n", hi, stop), "data: ", "data:   ") + "data:  [DONE]  \n\n"},
		{"comments", ": ping\n\n:\n" + lines("\n", hi) + ":x\r\n\r\n" + "data: " + stop + "\n: inside\n\n: OPENROUTER PROCESSING\n\n" + lines("\n", "[DONE]")},
		{"other fields", "id: 1\nretry: 100\nevent: message\n" + lines("\n", hi) + "id\nunknown: x\n" + lines("\n", stop) + "event: x\n\n" + lines("\n", "[DONE]")},
		{"named event of another kind", lines("\n", hi) + "event: x.progress\ndata: 17%\n\n" + lines("\n", stop, "[DONE]")},
		{"several data lines", "data: " + strings.Replace(hi, ":", ":\ndata: ", 1) + "\n\n" + strings.ReplaceAll("data: "+stop, ",", ",\r\ndata:") + "\r\n\r\n" + lines("\n", "[DONE]")},
		{"byte-order mark", "«\xef\xbb\xbf|»" + lines("\n", hi, stop, "[DONE]")},
		{"blank lines", "\n\n\n" + lines("\n", hi) + "\n\n" + lines("\n", stop, "[DONE]")},
		{"no done", lines("\n", hi, stop) + "«|data: [DONE]\n\n»"},
		{"no blank line", lines("\n", hi, stop) + "data: [DONE]«|\n\n»"},
		{"half a blank line", lines("\n", hi, stop) + "data: [DONE]\n«|\n»"},
		{"no done, no blank line", lines("\n", hi) + "data: " + stop + "«|\n\ndata: [DONE]\n\n»"},
		{"after the end", lines("\n", hi, stop, "[DONE]") + "«" + ": bye\n\n" + lines("\n", hi) + "|»"},
		{"unknown fields", lines("\n", withUsage(hi, `"x":{"y":[1e400,-0,1.0E+2,{"z":null}]},"system_fingerprint":"\u00e9",`), stop[:len(stop)-1]+`,"x":"\ud800","x":1e0}`, "[DONE]")},
		{"four bytes", lines("\n", say("\"\U0001F600\u00e9\u6f22\""), say(`"\ud83d"`), say(`"\ude00"`), say("\"\u2028\u0085\""), stop, "[DONE]")},
		{"no UTF-8", lines("\n", say("\"\xf0\x9f\""), say("\"\x98\x80\""), stop, "[DONE]")},
		{"role first", lines("\n", `{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`, hi, stop, "[DONE]")},
		{"filter results first", lines("\n", `{"choices":[],"prompt_filter_results":[{"x":1}]}`, hi, stop, "[DONE]")},
		{"nulls", lines("\n", `{"choices":null}`, `{"choices":[{"index":0,"delta":null,"finish_reason":null}]}`, say("null"), hi, strings.Replace(stop, `"stop"`, `""`, 1), stop, "[DONE]")},
		{"role on each, numbers odd", lines("\n", `{"created":1.5e9,"choices":[{"delta":{"role":"assistant","content":"a"},"index":0e0}]}`, hi, stop, "[DONE]")},
		{"usage at the end", lines("\n", hi, stop) + "‹data: {\"choices\":[]," + usage + "}\n\n|›" + lines("\n", "[DONE]")},
		{"usage null on each", lines("\n", hi[:len(hi)-1]+`‹,"usage":null|›}`, `{‹"usage":null,|›`+stop[1:]) + "‹data: {\"choices\":[]," + usage + "}\r\n\r\n|›" + lines("\n", "[DONE]")},
		{"usage on each", lines("\n", withUsage(hi, usage+","), withUsage(stop, usage+" , "), "[DONE]")},
		{"usage with the end", lines("\n", hi, withUsage(stop, usage+","), "[DONE]")},
		{"usage after done is lost", lines("\n", hi, stop, "[DONE]") + "«data: {\"choices\":[]," + usage + "}\n\n|»"},
		{"error null", lines("\n", hi[:len(hi)-1]+`«,"error":null|»}`, `{«"error": null ,  |»`+stop[1:], "[DONE]")},
		{"error and usage null", "id: 7\r\n" + lines("\r\n", `{«"error":null,|»‹"usage" : null,|›`+hi[1:], stop[:len(stop)-1]+`‹ ,"usage":null|›«, "error":null|» }`, "[DONE]")},
		{"malformed", lines("\n", hi) + "«data: {\"choices\":[{\"index\":0\n\ndata: nonsense\n\ndata: \n\ndata: [1,2]\n\n|»" + lines("\n", stop, "[DONE]")},
		{"reasoning", lines("\n", `{"choices":[{"index":0,"delta":{"reasoning_content":"hm","x":[]}}]}`, hi, stop, "[DONE]")},
		{"two choices, tools", twoChoices(lines)},
		{"large event", lines("\n", say(`"`+strings.Repeat("0123456789abcdef", 40_000)+`"`), stop[:len(stop)-1]+`‹,"usage":null|›}`, "[DONE]")},
		{"many events", lines("\n", strings.Split(strings.Repeat(hi+"\n", 500)+stop+"\n[DONE]", "\n")...)},
	}
}

// twoChoices returns a stream of two choices that call tools in turns.
func twoChoices(lines func(eol string, data ...string) string) string {
	part := func(index int, args string) string {
		return fmt.Sprintf(`{"choices":[{"index":%d,"delta":{"tool_calls":[%s]}}]}`, index, args)
	}
	return lines("\n",
		part(0, `{"index":0,"id":"a","function":{"name":"f","arguments":""}}`), part(1, `{"index":0,"id":"b","function":{"name":"g"}}`),
		part(0, `{"index":0,"function":{"arguments":"{\"k\":"}}`), part(1, `{"function":{"arguments":"{}"},"id":""}`),
		part(0, `{"index":0,"function":{"arguments":"1e0}"}}`),
		`{"choices":[{"index":1,"delta":{},"finish_reason":"tool_calls"}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]")
}

// generateRequest makes a request of random members in random order and spacing. model stands somewhere among them; what
// is changed on the way is put together here from the same parts.
func generateRequest(rnd *rand.Rand, stream bool) (from, want string) {
	space := func() string { return []string{"", "", "", " ", "\n", "\t", "\r\n  "}[rnd.IntN(7)] }
	var value func(depth int) string
	value = func(depth int) string {
		if depth > 4 {
			return "0"
		}
		switch rnd.IntN(8) {
		case 0:
			return []string{"null", "true", "false"}[rnd.IntN(3)]
		case 1, 2:
			return []string{"0", "-0", "1e0", "1.0E+2", "1e400", "12345678901234567890", "-1.50", "0e-1"}[rnd.IntN(8)]
		case 3, 4, 5:
			return []string{`""`, `"model"`, `"\u00e9\ud800"`, `"p/m"`, `"é😀"`, `"a\\\"b"`, `"\/"`, `"{\"model\":\"x\"}"`}[rnd.IntN(8)]
		case 6:
			var parts []string
			for range rnd.IntN(4) {
				parts = append(parts, space()+value(depth+1)+space())
			}
			return "[" + strings.Join(parts, ",") + "]"
		default:
			var parts []string
			for range rnd.IntN(4) {
				name := []string{`"model"`, `"stream"`, `"x"`, `""`, `"stream_options"`, `"\u006dodel"`}[rnd.IntN(6)]
				parts = append(parts, space()+name+space()+":"+space()+value(depth+1)+space())
			}
			return "{" + strings.Join(parts, ",") + "}"
		}
	}
	var members [][2]string // as the client wrote it, as the provider is to get it
	for i := range rnd.IntN(6) {
		m := fmt.Sprintf(`"x%d"%s:%s%s`, i, space(), space(), value(0))
		members = append(members, [2]string{m, m})
	}
	name := `"model"` + space() + ":" + space()
	model := [2]string{name + `"p/m"`, name + `"m"`}
	if rnd.IntN(3) == 0 {
		model[0] = model[1]
	}
	members = append(members, model)
	if stream {
		m := `"stream":true`
		members = append(members, [2]string{m, m})
	}
	rnd.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	for i, m := range members {
		before, after := space(), space()
		if i > 0 {
			before = "," + before
		}
		from, want = from+before+m[0], want+before+m[1]
		if stream && i == len(members)-1 {
			want += `,"stream_options":{"include_usage":true}`
		}
		from, want = from+after, want+after
	}
	end := "}" + space()
	return "{" + from + end, "{" + want + end
}
