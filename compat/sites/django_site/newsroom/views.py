"""Every page says which rendering it is, and of which process, so that a cached page is recognized."""

import itertools
import os

from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.vary import vary_on_headers

_rendered = itertools.count(1)


def rendering() -> str:
    return f"{next(_rendered)} by {os.getpid()}"


def front_page(request):
    return HttpResponse(f"Zeitung für heute, {rendering()}, {request.GET.get('page', '1')}")


def article(request, slug):
    return render(request, "article.html", {"slug": slug, "rendered": rendering()})


@cache_page(60)
@vary_on_headers("X-Edition")
def greeting(request):
    return HttpResponse(f"{request.headers['X-Edition']} {rendering()}")


@never_cache
def ticker(request):
    return HttpResponse(f"{rendering()}")


@cache_control(private=True)
def sections(request):
    context = {"reader": request.GET.get("reader", "nobody"), "rendered": rendering}
    return render(request, "sections.html", context)


@never_cache
def basket(request):
    """A session with all that a session does: nested data, a changed part, an expiry."""
    items = request.session.setdefault("items", [])
    if request.method == "POST":
        items.append(request.POST["item"])
        request.session.modified = True
        if seconds := request.POST.get("keep"):
            request.session.set_expiry(int(seconds))
    return JsonResponse({"items": items})


def empty_basket(request):
    request.session.flush()
    return JsonResponse({"items": []})


async def async_basket(request):
    visits = await request.session.aget("visits", 0) + 1
    await request.session.aset("visits", visits)
    return JsonResponse({"visits": visits})


def notice(request):
    if request.method == "POST":
        messages.success(request, request.POST["text"])
        return HttpResponse(status=204)
    return JsonResponse({"notices": [str(each) for each in messages.get_messages(request)]})


def log_in(request):
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    return HttpResponse(status=204)


def profile(request):
    return HttpResponse(f"{request.user.get_username() or 'nobody'} {rendering()}")


def topic(request, name):
    return HttpResponse(f"{name}, {request.GET.get('page', '1')}, {rendering()}")


@never_cache
def desk(request):
    """What only the session of this reader knows."""
    return JsonResponse({"user": request.user.get_username()})


@never_cache
def counter(request):
    cache.add("readers", 0)
    return JsonResponse({"readers": cache.incr("readers")})


@never_cache
def report(request):
    return HttpResponse(cache.get_or_set("report", lambda: f"report {rendering()}", 60))


@never_cache
def clear(request):
    cache.clear()
    return HttpResponse(status=204)
