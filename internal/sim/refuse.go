package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sluice/internal/wire/openai"
)

// refusal is an answer other than 2xx.
type refusal struct {
	status int
	kind   string // error.type
	code   string // error.code; empty is null
	param  string // error.param; empty is null
	text   string // error.message
	window int64  // tokens of the context, and what was asked for
	asked  int64
	wait   time.Duration
	day    bool // of a limit: it is one of a day
	counts counted
	limit  int64  // of a refusal by a limit; 0 for others
	form   string // form of the wait: seconds, ms, both, date; empty sends none
	advice string // X-Should-Retry header; empty is what the dialect says
	allow  string // Allow header
	raw    string // body in place of the error object of OpenAI
	any    bool   // raw is meant in every dialect
	own    []byte // body in the dialect of the request; set by refuse
	media  string // its media type
	noBody bool
}

// statuses are the errors that have a fault of their own, with the types and codes that OpenAI and its likes send.
var statuses = [...]struct {
	status     int
	kind, code string
	text       string
}{
	{400, "invalid_request_error", "", "The request was refused by the simulator."},
	{401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-sim***. You can find your API key in the simulator's configuration."},
	{402, "insufficient_quota", "credit_balance_exhausted", "Insufficient credits. Add credits to continue."},
	{403, "invalid_request_error", "unsupported_country_region_territory", "Country, region, or territory not supported"},
	{404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."},
	{408, "invalid_request_error", "request_timeout", "The request took too long to arrive."},
	{409, "invalid_request_error", "conflict", "Another request changed the resource; try again."},
	{413, "invalid_request_error", "request_too_large", "The request is too large."},
	{422, "invalid_request_error", "unprocessable_entity", "The request was well-formed but could not be followed."},
	{424, "server_error", "model_error", "The model could not work on the request."},
	{429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached. Please try again later."},
	{498, "capacity_error", "capacity_exceeded", "Flex tier capacity exceeded."},
	{500, "server_error", "server_error", "The server had an error while processing your request."},
	{502, "server_error", "bad_gateway", "Bad gateway."},
	{503, "service_unavailable_error", "server_is_overloaded", "The server is currently overloaded; please try again later."},
	{504, "server_error", "gateway_timeout", "The upstream server did not answer in time."},
	{529, "overloaded_error", "overloaded", "Overloaded"},
}

// refuseStatus is a plain status. after is the stated wait in seconds; -1 states none.
func refuseStatus(status int, after int64, form string) *refusal {
	r := &refusal{status: status, kind: "server_error", text: http.StatusText(status)}
	for _, s := range statuses {
		if s.status == status {
			r.kind, r.code, r.text = s.kind, s.code, s.text
		}
	}
	if after >= 0 {
		r.wait, r.form = time.Duration(after)*time.Second, form
	}
	return r
}

func refuseQuota() *refusal {
	return &refusal{
		status: 429, kind: "insufficient_quota", code: "insufficient_quota",
		text: "You exceeded your current quota, please check your plan and billing details.",
	}
}

func refuseContext(window, asked int64) *refusal {
	r := &refusal{
		status: 400, kind: "invalid_request_error", code: "context_length_exceeded", param: "messages",
		text:   "This model's maximum context length was exceeded. Please reduce the length of the messages.",
		window: window, asked: asked,
	}
	if window > 0 {
		r.text = fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens. "+
			"Please reduce the length of the messages or completion.", window, asked)
	}
	return r
}

func refuseFilter() *refusal {
	return &refusal{status: 400, code: "content_filter", media: "application/json", raw: `{"error":{"message":"The response was filtered due to ` +
		`the prompt triggering the content management policy.","type":null,"param":"prompt","code":"content_filter",` +
		`"status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":` +
		`{"filtered":true,"severity":"medium"}}}}}`}
}

func refuseHTML(status int) *refusal {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return &refusal{status: status, any: true, media: "text/html", raw: "<html>\r\n<head><title>" + text +
		"</title></head>\r\n<body>\r\n<center><h1>" + text + "</h1></center>\r\n</body>\r\n</html>\r\n"}
}

func refuseOdd(status int, form string) *refusal {
	r := &refusal{status: status, media: "application/json", any: true}
	switch form {
	case "string":
		r.raw = `{"code":"sim_error","error":"the simulator was told to fail"}`
	case "bare":
		r.raw = `{"object":"error","message":"the simulator was told to fail","type":"server_error","param":null,"code":50000}`
	case "array":
		r.raw = fmt.Sprintf(`[{"error":{"code":%d,"message":"the simulator was told to fail","status":"INTERNAL"}}]`, status)
	case "detail":
		r.raw = `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":null}]}`
	case "code":
		r.raw = fmt.Sprintf(`{"error":{"message":"the simulator was told to fail","type":"server_error","param":null,"code":%d}}`, status)
	case "empty":
		r.noBody = true
	}
	return r
}

func refuseRequest(e *openai.RequestError) *refusal {
	return &refusal{status: 400, kind: "invalid_request_error", code: e.Code, param: e.Param, text: e.Message}
}

func refuseModel(name string) *refusal {
	return &refusal{
		status: 404, kind: "invalid_request_error", code: "model_not_found",
		text: "The model '" + name + "' does not exist or you do not have access to it.",
	}
}

// body returns the refusal's body.
func (r *refusal) body() []byte {
	if r.own != nil {
		return r.own
	}
	if r.raw != "" || r.noBody {
		return []byte(r.raw)
	}
	var e struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    *string `json:"code"`
		} `json:"error"`
	}
	e.Error.Message, e.Error.Type = r.text, r.kind
	if r.param != "" {
		e.Error.Param = &r.param
	}
	if r.code != "" {
		e.Error.Code = &r.code
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		panic("BUG: an error object cannot be encoded: " + err.Error())
	}
	return append(b, '\n')
}

// send writes the refusal. now is the time that a wait in form of a date is counted from.
func (r *refusal) send(w http.ResponseWriter, now time.Time) {
	h := w.Header()
	media := r.media
	if media == "" {
		media = "application/json; charset=utf-8"
	}
	h.Set("Content-Type", media)
	if r.allow != "" {
		h.Set("Allow", r.allow)
	}
	if r.form == "seconds" || r.form == "both" {
		h.Set("Retry-After", strconv.FormatInt(int64((r.wait+time.Second-1)/time.Second), 10))
	}
	if r.form == "ms" || r.form == "both" {
		h.Set("Retry-After-Ms", strconv.FormatInt(int64((r.wait+time.Millisecond-1)/time.Millisecond), 10))
	}
	if r.form == "date" {
		h.Set("Retry-After", now.Add(r.wait).UTC().Format(http.TimeFormat))
	}
	body := r.body()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // the client may be gone: nothing is left to tell it
}
