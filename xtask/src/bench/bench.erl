%% A node of Erlang/OTP for the benchmark: the same verbs, and the same numbers, as the program `bench-node`
%% below tools/, whose watcher.rs describes them.
%%
%% `main/0` is the node that is watched; `main/1`, with the name of that one, is the node that watches. Both end with
%% their standard input.
-module(bench).
-export([main/0, main/1]).

main() -> quiet(), watched(), say("ready"), wait().

main([Peer]) ->
    quiet(),
    ok = io:setopts([{binary, false}]),
    put(control, {control, list_to_atom(Peer)}),
    true = net_kernel:connect_node(list_to_atom(Peer)),
    say("ready"),
    serve(#{process => start(), locals => []}).

%% What it has to report of a node that is lost would stand among the answers.
quiet() -> ok = logger:set_primary_config(level, none).

wait() ->
    case io:get_line("") of eof -> halt(0); _ -> wait() end.

%% ----- the node that is watched

watched() -> register(control, spawn(fun() -> control([]) end)).

control(Targets) ->
    receive
        {From, ping} -> From ! {answer, []}, control(Targets);
        {From, {targets, Count}} ->
            New = [spawn(fun() -> receive die -> ok end end) || _ <- lists:seq(1, Count)],
            From ! {answer, New},
            control(New);
        die -> [Target ! die || Target <- Targets], control([]);
        collect -> collect(), control(Targets);
        _ -> control(Targets)
    end.

%% ----- the node that watches

serve(State) ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            {Numbers, Next} = obey(string:lexemes(string:trim(Line), " "), State),
            say(lists:join(" ", [integer_to_list(Number) || Number <- Numbers])),
            serve(Next)
    end.

%% The process whose monitors are measured, new for each set of targets, does what is its own.
start() ->
    Control = get(control),
    spawn_link(fun() -> put(control, Control), live([], 0) end).

obey(["targets", _, Count], #{process := Old, locals := Locals}) ->
    [exit(Pid, kill) || Pid <- Locals],
    unlink(Old), exit(Old, kill),
    New = start(),
    {do(New, {targets, list_to_integer(Count)}), #{process => New, locals => []}};
obey(["spawn", Count], #{process := Process} = State) ->
    N = list_to_integer(Count),
    Begun = atomics:new(1, []), Times = atomics:new(N, []), Done = atomics:new(1, []),
    [Target | _] = do(Process, which),
    Locals = [spawn(fun() -> local(Process, Target, Index, N, {Begun, Times, Done}) end) || Index <- lists:seq(1, N)],
    do(Process, {locals, Locals, Times}),
    {[], State#{locals := Locals}};
obey(["calls", Threads, Count, Kind], #{process := Process} = State) ->
    {do(Process, {calls, list_to_integer(Threads), list_to_integer(Count), Kind}), State};
obey(["collect"], State) ->
    collect(),
    get(control) ! collect,
    round_trip(),
    {[], State};
obey([Verb | Numbers], #{process := Process} = State) ->
    {do(Process, {list_to_atom(Verb), [list_to_integer(Number) || Number <- Numbers]}), State}.

do(Process, What) ->
    Process ! {do, self(), What},
    receive {done, Numbers} -> Numbers end.

live(Targets, Monitors) ->
    receive
        {do, From, {targets, Count}} ->
            New = ask({targets, Count}),
            From ! {done, []},
            live(New, 0);
        {do, From, which} -> From ! {done, Targets}, live(Targets, Monitors);
        {do, From, {locals, Locals, Times}} ->
            put(locals, Locals), put(times, Times),
            From ! {done, []},
            live(Targets, 0);
        {do, From, {monitors, [Count]}} ->
            Start = now_ns(),
            monitors(Count, Targets, Targets),
            round_trip(),
            From ! {done, [now_ns() - Start]},
            live(Targets, Count);
        {do, From, What} ->
            From ! {done, act(What, Targets, Monitors)},
            live(Targets, Monitors)
    end.

monitors(0, _, _) -> ok;
monitors(Count, [], All) -> monitors(Count, All, All);
monitors(Count, [Target | Rest], All) -> monitor(process, Target), monitors(Count - 1, Rest, All).

act({pairs, [Count]}, [Target | _], _) ->
    Start = now_ns(),
    pairs(Count, Target),
    round_trip(),
    Time = now_ns() - Start,
    get(control) ! die,
    silence(),
    [Time];
act({downs, []}, _, 0) ->
    Start = now_ns(),
    get(control) ! die,
    receive all -> ok end,
    Time = now_ns() - Start,
    silence(),
    [1 = atomics:get(get(times), Index) || Index <- lists:seq(1, length(get(locals)))],
    [Time];
act({downs, []}, _, Monitors) ->
    Start = now_ns(),
    get(control) ! die,
    Refs = downs(Monitors, []),
    Time = now_ns() - Start,
    exactly_once(Refs),
    [Time];
act({each, []}, Targets, _) ->
    [monitor(process, Target) || Target <- Targets],
    round_trip(),
    Times = [each(Target) || Target <- Targets],
    silence(),
    Times;
act({'each-loaded', [PerSecond]}, Targets, Monitors) ->
    Control = get(control),
    Body = binary:copy(<<".">>, 64),
    Load = spawn(fun() -> put(control, Control), load(PerSecond, Body) end),
    Times = act({each, []}, Targets, Monitors),
    exit(Load, kill),
    round_trip(),
    Times;
act({watch, []}, _, _) ->
    Start = now_ns(),
    [Local ! go || Local <- get(locals)],
    receive begun -> ok end,
    round_trip(),
    [now_ns() - Start];
act({lost, []}, _, Monitors) ->
    Probe = probe(),
    say(""),
    {First, Start} = receive {'DOWN', Ref, process, _, _} -> {Ref, now_ns()} end,
    Refs = downs(Monitors - 1, [First]),
    Time = now_ns() - Start,
    Probe ! {over, self()},
    Longest = receive {longest, Ns} -> Ns end,
    length(lists:usort(Refs)) =:= Monitors orelse error(lost_or_doubled),
    [Time, Longest];
act({calls, Threads, Count, Kind}, [Remote | _], _) ->
    Among = case Kind of "local" -> [self()]; "remote" -> [Remote]; _ -> [self(), Remote] end,
    Callers = [spawn_monitor(fun() -> receive go -> calls(Count, Among, Among) end end) || _ <- lists:seq(1, Threads)],
    Start = now_ns(),
    [Pid ! go || {Pid, _} <- Callers],
    [receive {'DOWN', Ref, process, _, normal} -> ok end || {_, Ref} <- Callers],
    round_trip(),
    [now_ns() - Start];
act({messages, [Count, Bytes]}, _, _) ->
    Body = binary:copy(<<".">>, Bytes),
    Start = now_ns(),
    messages(Count, Body),
    round_trip(),
    [now_ns() - Start].

pairs(0, _) -> ok;
pairs(Count, Target) -> demonitor(monitor(process, Target), [flush]), pairs(Count - 1, Target).

calls(0, _, _) -> ok;
calls(Count, [], All) -> calls(Count, All, All);
calls(Count, [Target | Rest], All) -> pairs(1, Target), calls(Count - 1, Rest, All).

each(Target) ->
    Start = now_ns(),
    Target ! die,
    receive {'DOWN', _, process, Target, _} -> now_ns() - Start end.

messages(0, _) -> ok;
messages(Count, Body) -> get(control) ! Body, messages(Count - 1, Body).

load(0, Body) -> get(control) ! Body, load(0, Body);
load(PerSecond, Body) -> load(PerSecond, now_ns(), 0, Body).

load(PerSecond, Start, Sent, Body) ->
    case (now_ns() - Start) * PerSecond div 1000000000 - Sent of
        Due when Due > 0 -> messages(Due, Body), load(PerSecond, Start, Sent + Due, Body);
        _ -> timer:sleep(1), load(PerSecond, Start, Sent, Body)
    end.

downs(0, Refs) -> Refs;
downs(Missing, Refs) -> receive {'DOWN', Ref, process, _, _} -> downs(Missing - 1, [Ref | Refs]) end.

exactly_once(Refs) ->
    silence(),
    length(lists:usort(Refs)) =:= length(Refs) orelse error(lost_or_doubled).

silence() ->
    round_trip(),
    receive {'DOWN', _, _, _, _} -> error(doubled) after 0 -> ok end.

%% A local process with one monitor.
local(Parent, Target, Index, Count, {Begun, Times, Done}) ->
    receive go -> ok end,
    monitor(process, Target),
    atomics:add_get(Begun, 1, 1) =:= Count andalso (Parent ! begun),
    notices(Parent, Index, Count, Times, Done).

notices(Parent, Index, Count, Times, Done) ->
    receive {'DOWN', _, process, _, _} -> ok end,
    atomics:add(Times, Index, 1),
    atomics:add_get(Done, 1, 1) =:= Count andalso (Parent ! all),
    notices(Parent, Index, Count, Times, Done).

%% A process that calls all the while.
probe() ->
    spawn(fun() -> Target = spawn(fun() -> receive die -> ok end end), probe(Target, 0) end).

probe(Target, Longest) ->
    receive {over, From} -> Target ! die, From ! {longest, Longest}
    after 1 ->
        Start = now_ns(),
        pairs(1, Target),
        probe(Target, max(Longest, now_ns() - Start))
    end.

collect() -> [garbage_collect(Pid) || Pid <- processes()].

round_trip() -> ask(ping).
ask(What) -> get(control) ! {self(), What}, receive {answer, Answer} -> Answer end.
now_ns() -> erlang:monotonic_time(nanosecond).
say(Line) -> io:put_chars([Line, "\n"]).
