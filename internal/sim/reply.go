package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// whole answers a request that is not streamed.
func (x *exchange) whole(choices []choice) error {
	out := make([]openai.Choice, len(choices))
	var longest int64
	for i := range choices {
		out[i] = choices[i].whole()
		x.decorate(&out[i], &choices[i])
		longest = max(longest, choices[i].output)
	}
	if err := x.decoded(choices, longest); err != nil {
		return err
	}
	usage := &x.usage
	if x.fx.noUsage {
		usage = nil
	}
	if x.job.op == llm.OpCompletion {
		return x.send(openai.AppendText(nil, &x.head, out, usage))
	}
	return x.send(openai.AppendChatCompletion(nil, &x.head, out, usage))
}

// decoded waits until an answer of so many steps would be there in one piece, and bills it.
func (x *exchange) decoded(choices []choice, longest int64) error {
	for i := range longest {
		x.due = x.due.Add(x.step(i + 1))
	}
	due := x.due.Add(x.fx.roleDelay)
	if err := x.until(due); err != nil {
		return err
	}
	x.watch.made(due.Sub(x.start))
	for i := range choices {
		x.usage.Output += choices[i].output
		x.usage.Reasoning += choices[i].reasoned
	}
	return nil
}

// step is the time from a token to the next one, when so many are out.
func (x *exchange) step(tokens int64) time.Duration {
	d := x.model.engine.step(&x.rng)
	if x.fx.drip > 0 && tokens >= x.fx.dripAfter {
		d = x.fx.drip
	}
	return d + x.fx.tokenDelay
}

// decorate adds what the request or a fault wants to a finished choice.
func (x *exchange) decorate(out *openai.Choice, c *choice) {
	if x.job.talk != nil && x.job.talk.logprobs {
		out.Logprobs = makeLogprobs(out.Content, x.job.talk.top)
	}
	if x.fx.arrayContent && !out.NullContent {
		out.RawContent = contentParts(out.Content)
	}
	if x.fx.noFinish {
		out.Finish = ""
	}
}

// send writes a 200 answer that is not streamed, with the faults that such an answer can have.
func (x *exchange) send(body []byte) error {
	if x.fx.quirk != nil && x.fx.quirk.body != nil {
		body = x.fx.quirk.body(x, body)
	}
	return x.sendAs("application/json", body)
}

// sendAs is send with a media type.
func (x *exchange) sendAs(media string, body []byte) error {
	h := x.w.Header()
	h.Set("Content-Type", media)
	if x.fx.wrongType {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	length := len(body)
	part, how := len(body), cutForm("")
	switch {
	case x.fx.emptyBody:
		body, length, part = nil, 0, 0
		x.usage = llm.Usage{} // what is no answer costs nothing
	case x.fx.error200 || x.fx.errorAfter >= 0:
		body = x.errorBody()
		x.usage = llm.Usage{}
		length, part = len(body), len(body)
	case x.fx.malformedAfter >= 0:
		body = []byte(malformedData)
		length, part = len(body), len(body)
	case x.fx.truncate && x.fx.shortBody:
		part, how = len(body)/2, cutFIN
	case x.fx.truncate:
		part, length = len(body)/2, len(body)/2
	case x.fx.cutAfter >= 0 && x.fx.cutHow == cutEOF:
		part = x.fx.brokenAt(len(body))
		length = part
	case x.fx.cutAfter >= 0:
		part, how = x.fx.brokenAt(len(body)), x.fx.cutHow
	case x.fx.stallAfter >= 0:
		part = x.fx.brokenAt(len(body))
	}
	h.Set("Content-Length", strconv.Itoa(length))
	x.watch.sent(time.Since(x.start))
	x.w.WriteHeader(http.StatusOK)
	if _, err := x.w.Write(body[:part]); err != nil {
		return err
	}
	if how != "" {
		if err := http.NewResponseController(x.w).Flush(); err != nil {
			return err
		}
		return x.breakOff(how)
	}
	if part == length {
		return nil
	}
	return x.stallWhole(body[part:])
}

// stallWhole holds back the rest of a body.
func (x *exchange) stallWhole(rest []byte) error {
	if err := http.NewResponseController(x.w).Flush(); err != nil {
		return err
	}
	if err := x.stall(nil); err != nil {
		return err
	}
	_, err := x.w.Write(rest)
	return err
}

// stall waits as the fault of this name says. ping is called in between if the fault sends comments; it may be nil.
func (x *exchange) stall(ping func() error) error {
	end := time.Now().Add(x.fx.stallFor)
	for every := x.fx.stallPings; every > 0 && ping != nil && (x.fx.stallFor == never || time.Until(end) > every); {
		if err := x.sleep(every); err != nil {
			return err
		}
		if err := ping(); err != nil {
			return err
		}
	}
	if x.fx.stallFor == never {
		<-x.ctx.Done()
		return x.ctx.Err()
	}
	return x.until(end)
}

// errorBody is the error that is sent with status 200.
func (x *exchange) errorBody() []byte {
	if x.ask.dialect == llm.OpenAI || x.ask.dialect == llm.Responses {
		return errorObject(x.fx.errorForm)
	}
	body, _ := x.lateRefusal().dialectBody(x.ask, x.id)
	return body
}

// malformedData is what a broken server sends in place of JSON.
const malformedData = `{"id":"chatcmpl-broken","choices":[{"delta":{"content":"the ga`

// errorObject returns the error that servers send with status 200.
func errorObject(form string) []byte {
	const text = "The server had an error while processing your request."
	switch form {
	case "string":
		return []byte(`{"error":"` + text + `"}`)
	case "code":
		return []byte(`{"error":{"message":"` + text + `","type":"InternalServerError","param":null,"code":500}}`)
	case "finish":
		return []byte(`{"id":"gen-sim","object":"chat.completion.chunk","created":0,"model":"sim","error":{"code":502,` +
			`"message":"` + text + `"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`)
	default:
		return []byte(`{"error":{"message":"` + text + `","type":"server_error","param":null,"code":"server_error"}}`)
	}
}

// contentParts is a text in the form of an array of parts, as some servers send it.
func contentParts(text []byte) []byte {
	return openai.AppendTextPart(nil, text)
}

// makeLogprobs gives every token of a text a probability that its own hash decides.
func makeLogprobs(text []byte, top int) []openai.Logprob {
	var all []openai.Logprob
	for len(text) > 0 {
		n, _ := cutToken(text)
		token := string(text[:n])
		text = text[n:]
		r := rng(hashString(uint64(hashStart), token))
		p := openai.Logprob{Token: token, Logprob: -r.float()}
		for i := range top {
			alternative := token
			if i > 0 {
				alternative = fmt.Sprint(english.nouns[(r.below(4)+4*i)%len(english.nouns)])
			}
			p.Top = append(p.Top, openai.Logprob{Token: alternative, Logprob: p.Logprob - float64(i)})
		}
		all = append(all, p)
	}
	return all
}
