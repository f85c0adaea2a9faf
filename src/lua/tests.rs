//! The VM with a host that echoes: `call` answers with the RESP that its first argument holds.

use super::*;
use crate::resp::OwnedArgv;
use crate::wire::Out;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LIMIT: usize = 16 << 20;

struct Echo;

impl Host for Echo {
    fn call(&mut self, argv: Argv<'_>, _resp3: bool, reply: &mut Vec<u8>) {
        reply.extend_from_slice(argv.get(0).unwrap_or_default());
    }

    fn may_call(&mut self, argv: Argv<'_>) -> Option<bool> {
        (argv.get(0) == Some(b"get")).then_some(true)
    }
}

fn vm() -> Vm {
    Vm::new(LIMIT, Arc::new(|| None)).expect("a VM")
}

/// What `EVAL` would answer, in RESP2 or RESP3.
fn eval_in(vm: &Vm, resp3: bool, source: &str) -> String {
    let mut out = Out::new();
    let mut reply = Reply::new(&mut out, resp3);
    let ran = vm.compile(source.as_bytes(), "user_script").map_err(String::into_bytes).and_then(|function| {
        let (keys, args): (OwnedArgv, OwnedArgv) =
            (["k".as_bytes()].into_iter().collect(), OwnedArgv::default());
        let run = Run {
            function: &function,
            mode: Mode::Eval,
            name: "SHA",
            keys: keys.as_argv(),
            args: args.as_argv(),
        };
        let value = vm.run(&run, &mut Echo)?;
        vm.answer(&value, &mut reply).map_err(String::into_bytes)
    });
    vm.clean();
    if let Err(error) = ran {
        reply.out().clear();
        reply.error(error);
    }
    String::from_utf8_lossy(&out.to_vec()).into_owned()
}

fn eval(source: &str) -> String {
    eval_in(&vm(), false, source)
}

const ON_LINE_1: &str = " script: SHA, on @user_script:1.\r\n";

fn assert_raises(source: &str, text: &str) {
    assert_eq!(eval(source), format!("-{text}{ON_LINE_1}"), "{source}");
}

#[test]
fn values_become_replies() {
    for (source, resp2, resp3) in [
        ("return 3.99", ":3\r\n", ":3\r\n"),
        ("return -1e300", ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        ("return 'x'", "$1\r\nx\r\n", "$1\r\nx\r\n"),
        ("return true", ":1\r\n", ":1\r\n"),
        ("return false", "$-1\r\n", "_\r\n"),
        ("return", "$-1\r\n", "_\r\n"),
        ("redis.setresp(3) return true", ":1\r\n", "#t\r\n"),
        ("return {1, {ok='a'}, {err='b'}, nil, 2}", "*3\r\n:1\r\n+a\r\n-b\r\n", "*3\r\n:1\r\n+a\r\n-b\r\n"),
        ("return {double=3.5}", "$3\r\n3.5\r\n", ",3.5\r\n"),
        ("return {map={a=1}}", "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"),
        ("return {set={a=1}}", "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"),
        ("return {big_number='12\\r\\n'}", "$4\r\n12  \r\n", "(12  \r\n"),
        ("return {verbatim_string={format='txt', string='abc'}}", "$3\r\nabc\r\n", "=7\r\ntxt:abc\r\n"),
        ("return KEYS[1] .. #ARGV", "$2\r\nk0\r\n", "$2\r\nk0\r\n"),
    ] {
        let vm = vm();
        assert_eq!(eval_in(&vm, false, source), resp2, "{source}");
        assert_eq!(eval_in(&vm, true, source), resp3, "{source}");
    }
}

#[test]
fn replies_become_values() {
    for (resp, lua) in [
        (":5\r\n", "5"),
        ("$1\r\na\r\n", "'a'"),
        ("$-1\r\n", "false"),
        ("*-1\r\n", "false"),
        ("*2\r\n:1\r\n$-1\r\n", "{1, false}"),
        ("+OK\r\n", "{ok='OK'}"),
        ("-ERR x\r\n", "{err='ERR x', ignore_error_stats_update=true}"),
        ("_\r\n", "nil"),
        ("#t\r\n", "true"),
        (",1.5\r\n", "{double=1.5}"),
        ("(123\r\n", "{big_number='123'}"),
        ("%1\r\n$1\r\na\r\n:1\r\n", "{map={a=1}}"),
        ("~1\r\n$1\r\na\r\n", "{set={a=true}}"),
        ("=7\r\ntxt:abc\r\n", "{verbatim_string={format='txt', string='abc'}}"),
    ] {
        let source = format!(
            "local function same(a, b)
               if type(a) ~= 'table' then return a == b end
               for k, v in pairs(a) do if not same(v, b[k]) then return false end end
               for k in pairs(b) do if a[k] == nil then return false end end
               return true
             end
             return same(redis.pcall({resp:?}), {lua})"
        );
        // The function is local: it cannot see itself by its name.
        let source = source.replacen("local function same", "local same same = function", 1);
        assert_eq!(eval(&source), ":1\r\n", "{resp:?}");
    }
}

#[test]
fn globals_are_protected() {
    assert_raises("x = 1", "ERR user_script:1: Attempt to modify a readonly table");
    assert_raises("string.x = 1", "ERR user_script:1: Attempt to modify a readonly table");
    assert_raises("string.len = 1", "ERR user_script:1: Attempt to modify a readonly table");
    assert_raises("getmetatable('').__index = 1", "ERR user_script:1: Attempt to modify a readonly table");
    assert_raises("rawset(_G, 'a', 1)", "ERR Attempt to modify a readonly table");
    assert_raises(
        "return y",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'y'",
    );
    for name in
        ["print", "io", "require", "dofile", "loadfile", "debug", "getfenv", "setfenv", "newproxy", "module"]
    {
        let text =
            format!("ERR user_script:1: Script attempted to access nonexistent global variable '{name}'");
        assert_raises(&format!("return {name}"), &text);
    }
    assert_eq!(eval("return rawget(_G, 'nothing')"), "$-1\r\n");
    assert_eq!(eval("return type(rawget(_G, 'redis'))"), "$5\r\ntable\r\n");
    assert_eq!(eval("local n = 0 for k in pairs(redis) do n = n + 1 end return n"), ":23\r\n");
    assert_eq!(eval("return {loadstring(string.dump(function() end))}"), "*0\r\n");
    assert_eq!(eval("return loadstring('return _G == ...', 'x')(_G)"), ":1\r\n");
}

#[test]
fn nothing_of_a_script_stays() {
    let vm = vm();
    eval_in(&vm, false, "table.insert(redis, 'x') table.insert(_G, 'x') KEYS.x = 1 return 1");
    assert_eq!(
        eval_in(&vm, false, "return {redis[1] == nil, rawget(_G, 1) == nil, KEYS.x == nil}"),
        "*3\r\n:1\r\n:1\r\n:1\r\n"
    );
}

#[test]
fn errors_say_where() {
    assert_raises("error('x')", "ERR user_script:1: x");
    assert_raises("error({err='x y'})", "x y");
    assert_raises("error()", "ERR nil");
    assert_raises("error({})", "ERR unknown error");
    assert_raises("return redis.call('-ERR no\\r\\n')", "ERR no");
    assert_raises("return redis.call()", "ERR Please specify at least one argument for this redis lib call");
    assert_raises("redis.call({})", "ERR Lua redis lib command arguments must be strings or integers");
    assert_raises("cjson.encode(error)", "ERR user_script:1: Cannot serialise function: type not supported");
    assert_raises("local function f() return f() + 1 end f()", "ERR user_script:1: stack overflow");
    assert_eq!(
        eval("return {pcall(redis.call, '-ERR no\\r\\n')}"),
        "*1\r\n$-1\r\n".replace("*1", "*2") + "$6\r\nERR no\r\n"
    );
    assert_eq!(
        eval("return {xpcall(function() redis.call('-X no\\r\\n') end, function(e) return e.err end)}"),
        "*2\r\n$-1\r\n$4\r\nX no\r\n"
    );
    assert_eq!(
        eval("return {coroutine.resume(coroutine.create(function() cjson.decode('{') end))}"),
        "*2\r\n$-1\r\n$75\r\nuser_script:1: Expected object key string but found T_END at character 2\r\n"
            .replace("$75", "$72")
    );
}

#[test]
fn memory_has_a_limit() {
    let vm = vm();
    for bomb in [
        "return string.rep('x', 1e9)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return {t, t}",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return cjson.encode(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return cmsgpack.pack(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return table.concat(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return redis.call(unpack(t))",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end
         return struct.pack(string.rep('s', 1000), unpack(t))",
        "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(function() end) end",
        "return string.format('%99999d', 1)",
    ] {
        assert!(eval_in(&vm, false, bomb).starts_with('-'), "{bomb}");
        assert!(vm.used_memory() < LIMIT / 2, "{bomb}");
        assert_eq!(eval_in(&vm, false, "return #string.rep('x', 1e6)"), ":1000000\r\n", "after {bomb}");
    }
}

#[test]
fn depth_has_a_limit() {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(check_depths).expect("a thread");
    thread.join().expect("it does not overflow its stack");
}

fn check_depths() {
    let nested = "local t = {} local top = t for i = 1, 100000 do t[1] = {} t = t[1] end";
    assert!(eval(&format!("{nested} return top")).contains("ERR reached lua stack limit"));
    assert_raises(
        &format!("{nested} return cjson.encode(top)"),
        "ERR user_script:1: Cannot serialise, excessive nesting (1001)",
    );
    assert_eq!(eval("local t = {} t[1] = t return #cmsgpack.pack(t)"), ":17\r\n");
    assert_raises(
        "return cjson.decode(string.rep('[', 2000))",
        "ERR user_script:1: Found too many nested data structures (1001) at character 1001",
    );
    assert!(eval("return cmsgpack.unpack(string.rep('\\145', 100000))").starts_with("-ERR user_script:1: "));
    assert!(
        eval("cjson.encode_max_depth(2e9) local t = {} t[1] = t return cjson.encode(t)").starts_with('-')
    );
}

#[test]
fn a_runaway_script_can_be_ended() {
    for source in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "local f f = function() f() end while true do pcall(f) end",
    ] {
        let ended = Arc::new(AtomicBool::new(false));
        let (started, over) = (Instant::now(), ended.clone());
        let interrupt = move || {
            let late = started.elapsed() > Duration::from_millis(30) && !over.load(Ordering::Relaxed);
            late.then_some("ERR Script killed by user with SCRIPT KILL...")
        };
        let vm = Vm::new(LIMIT, Arc::new(interrupt)).expect("a VM");
        let reply = eval_in(&vm, false, source);
        assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL..."), "{source}: {reply}");
        ended.store(true, Ordering::Relaxed);
        assert_eq!(eval_in(&vm, false, "local n = 0 for i = 1, 300000 do n = n + i end return 1"), ":1\r\n");
    }
}

#[test]
fn a_library_registers_functions() {
    let vm = vm();
    let load = |source: &str| {
        let chunk = vm.compile(source.as_bytes(), "user_function").expect("it compiles");
        vm.load_library(&chunk)
    };
    let functions = load(
        "redis.register_function{function_name='f', flags={'no-writes'}, callback=function(k, a)
        return k[1] .. redis.call('$1\\r\\nx\\r\\n') end}",
    );
    let function = functions.expect("it loads").remove(0);
    assert_eq!((&*function.name, function.flags), ("f", Flags::NO_WRITES));
    let keys: OwnedArgv = ["key".as_bytes()].into_iter().collect();
    let run = Run {
        function: &function.callback,
        mode: Mode::Function,
        name: "f",
        keys: keys.as_argv(),
        args: keys.as_argv(),
    };
    let value = vm.run(&run, &mut Echo).expect("it runs");
    assert_eq!(value.to_string().expect("a string"), "keyx");
    for (source, error) in [
        ("redis.call('x')", "user_function:1: Script attempted to access nonexistent global variable 'call'"),
        ("error('x')", "user_function:1: Script attempted to access nonexistent global variable 'error'"),
        ("x = 1", "user_function:1: Attempt to modify a readonly table"),
        (
            "redis.register_function('f')",
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ),
        ("redis.register_function({}, 2)", "first argument to redis.register_function must be a string"),
        (
            "redis.register_function{function_name='f'}",
            "redis.register_function must get a callback argument",
        ),
        ("redis.register_function{foo=1}", "unknown argument given to redis.register_function"),
    ] {
        let expected = format!("Error registering functions: ERR {error}");
        assert_eq!(load(source).map(|_| ()), Err(expected), "{source}");
    }
}
