%% A node of Erlang/OTP that does what it is told, line by line, and says what its processes receive.
%%
%% Standard input, words separated by spaces; each line is answered by one line `reply WORDS`:
%%   spawn PROCESS                        the handle of the new process
%%   kill PROCESS
%%   connect NODE
%%   unregister NAME
%%   do PROCESS WORDS                     what the process does itself: see act/2
%% Standard output besides: `event PROCESS WORDS`, in the order in which they happen to the process.
%% A handle is a term in its external format, in base64: so processes of other nodes can be named.
-module(differential).
-export([main/0]).

main() ->
    ok = io:setopts([{binary, false}]),
    say(["ready"]),
    serve(#{}).

serve(Processes) ->
    case io:get_line("") of
        eof -> halt(0);
        Line -> serve(obey(string:lexemes(string:trim(Line), " "), Processes))
    end.

obey(["spawn", Label], Processes) ->
    Pid = spawn(fun() -> live(#{label => Label, paused => false, monitors => #{}, sent => #{}}) end),
    reply([handle(Pid)]),
    Processes#{Label => Pid};
obey(["kill", Label], Processes) ->
    exit(maps:get(Label, Processes), kill),
    reply(["done"]),
    Processes;
obey(["connect", Node], Processes) ->
    true = net_kernel:connect_node(list_to_atom(Node)),
    reply(["done"]),
    Processes;
obey(["unregister", Name], Processes) ->
    true = unregister(list_to_atom(Name)),
    reply(["done"]),
    Processes;
obey(["do", Label | Words], Processes) ->
    maps:get(Label, Processes) ! {do, self(), Words},
    receive {done, Answer} -> reply([Answer]) end,
    Processes.

%% A process: what it is told comes before what it receives.
live(#{paused := Paused} = State) ->
    receive
        {do, From, Words} -> told(From, Words, State)
    after 0 ->
        receive
            {do, From, Words} -> told(From, Words, State);
            Message when not Paused -> event(State, received(Message, State)), live(State)
        end
    end.

told(From, ["exit", How], _) ->
    From ! {done, "done"},
    leave(How);
told(From, Words, State) ->
    {Answer, Next} = act(Words, State),
    From ! {done, Answer},
    live(Next).

leave("normal") -> ok;
leave("shutdown") -> exit(shutdown);
leave("panicked") -> error_logger:tty(false), error(panicked);
leave(Other) -> exit({other, Other}).

act(["pause"], State) -> {"done", State#{paused := true}};
act(["resume"], State) -> {"done", State#{paused := false}};
act(["register", Name], State) ->
    true = register(list_to_atom(Name), self()),
    {"done", State};
act(["monitor", Label, "pid", Handle], State) -> monitored(Label, term(Handle), State);
act(["monitor", Label, "name", Name, Node], State) ->
    monitored(Label, {list_to_atom(Name), list_to_atom(Node)}, State);
act(["demonitor", Label | Options], #{monitors := Monitors} = State) ->
    [Ref] = [Ref || {Ref, L} <- maps:to_list(Monitors), L =:= Label],
    {atom_to_list(demonitor(Ref, [list_to_atom(Option) || Option <- Options])), State};
act(["monitor_node", Node, Flag], State) ->
    true = monitor_node(list_to_atom(Node), list_to_atom(Flag)),
    {"done", State};
act(["monitor_nodes", Flag], State) ->
    ok = net_kernel:monitor_nodes(list_to_atom(Flag)),
    {"done", State};
act(["send", Handle], #{label := Label, sent := Sent} = State) ->
    Number = maps:get(Handle, Sent, 0) + 1,
    term(Handle) ! {message, Label, Number},
    {"done", State#{sent := Sent#{Handle => Number}}};
%% How many notices of monitors wait in the mailbox.
act(["waiting"], State) ->
    {messages, Messages} = process_info(self(), messages),
    {integer_to_list(length([down || {'DOWN', _, _, _, _} <- Messages])), State}.

monitored(Label, Target, #{monitors := Monitors} = State) ->
    Ref = monitor(process, Target),
    {"done", State#{monitors := Monitors#{Ref => Label}}}.

received({'DOWN', Ref, process, _, Reason}, #{monitors := Monitors}) ->
    ["down", maps:get(Ref, Monitors), reason(Reason)];
received({message, From, Number}, _) -> ["message", From, integer_to_list(Number)];
received({nodeup, Node}, _) -> ["nodeup", label(Node)];
received({nodedown, Node}, _) -> ["nodedown", label(Node)].

reason({other, Text}) -> "other:" ++ Text;
reason({panicked, Stack}) when is_list(Stack) -> "panicked";
reason(Reason) when is_atom(Reason) -> atom_to_list(Reason).

label(Node) -> hd(string:lexemes(atom_to_list(Node), "@")).

handle(Term) -> base64:encode_to_string(term_to_binary(Term)).
term(Handle) -> binary_to_term(base64:decode(Handle)).

reply(Words) -> say(["reply" | Words]).
event(#{label := Label}, Words) -> say(["event", Label | Words]).
say(Words) -> io:put_chars([lists:join(" ", Words), "\n"]).
