"""Every page says how many pages the site has really rendered, so that a cached page is recognized."""

import itertools

from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.vary import vary_on_headers

_rendered = itertools.count(1)


def front_page(request):
    return HttpResponse(f"Zeitung für heute, {next(_rendered)}, {request.GET.get('page', '1')}")


def article(request, slug):
    return render(request, "article.html", {"slug": slug, "rendered": next(_rendered)})


@cache_page(60)
@vary_on_headers("X-Edition")
def greeting(request):
    return HttpResponse(f"{request.headers['X-Edition']} {next(_rendered)}")


@never_cache
def ticker(request):
    return HttpResponse(f"{next(_rendered)}")


@cache_control(private=True)
def sections(request):
    context = {"reader": request.GET.get("reader", "nobody"), "rendered": lambda: next(_rendered)}
    return render(request, "sections.html", context)


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
    return HttpResponse(f"{request.user.get_username() or 'nobody'} {next(_rendered)}")
