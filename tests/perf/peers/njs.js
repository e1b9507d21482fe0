function hello(r) {
    r.headersOut["content-type"] = "text/plain";
    r.return(200, "Hello, world!\n");
}

export default { hello };
